//! Looks at the Redis that the event stream lives in: what its settings and its role may cost.
//!
//! An event is "published" when Redis has it in memory. Whether it is still there tomorrow is up to
//! whoever runs that Redis, so what can be seen of it is told, at start and whenever it changes. Nobody
//! waits for this.

use std::time::Duration;

use redis::{RedisResult, Value};
use secrecy::SecretString;
use tokio::sync::watch;

use crate::redis_client::Connection;

use super::{redis_stream, sink_state::SinkReport};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How soon again while it does not answer.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Looks until `stopping` is true. A Redis that does not answer is the relay's to report.
///
/// # Errors
/// The URL is malformed.
pub fn watch_redis(
    url: &SecretString,
    stream: &str,
    report: SinkReport,
    mut stopping: watch::Receiver<bool>,
) -> RedisResult<impl Future<Output = ()> + use<>> {
    let mut connection = Connection::lazy(url, ANSWER_MAX)?;
    let stream = stream.to_owned();
    Ok(async move {
        while !*stopping.borrow_and_update() {
            let pause = match look(&mut connection, &stream).await {
                Ok(concerns) => {
                    report.has_concerns(concerns);
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::debug!("the Redis of the event stream was not looked at: {error}");
                    LOOK_AGAIN_AFTER
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.changed() => {}
            }
        }
    })
}

async fn look(connection: &mut Connection, stream: &str) -> RedisResult<Vec<String>> {
    let answers: Vec<RedisResult<Value>> = redis::pipe()
        .cmd("INFO")
        .cmd("TYPE")
        .arg(stream)
        .add_command(redis_stream::probe(stream))
        .ignore_errors()
        .query_async(connection)
        .await?;
    let [info, kind, probe] = answers.as_slice() else {
        unreachable!("each command has an answer");
    };
    // Some may be forbidden to a user who may do all that we need.
    let text = |answer: &RedisResult<Value>| {
        let value = answer.clone().ok()?;
        redis::from_redis_value::<String>(value).ok()
    };
    let mut concerns = text(info).map_or_else(Vec::new, |info| concerns_in(&info));
    if let Some(kind) = text(kind)
        && !["none", "stream"].contains(&kind.as_str())
    {
        concerns.push(format!(
            "holds a {kind} where the stream {stream:?} should be"
        ));
    }
    if let Err(error) = probe
        && !redis_stream::is_about_the_id(&error.to_string())
    {
        concerns.push(format!("does not take events: {error}"));
    }
    Ok(concerns)
}

/// What the answer to INFO gives to worry about.
fn concerns_in(info: &str) -> Vec<String> {
    let field = |name: &str| {
        info.lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let mut concerns = Vec::new();
    match field("redis_mode") {
        Some("sentinel") => {
            concerns.push("is a Sentinel, which keeps no data: name the primary".to_owned());
            return concerns;
        }
        Some("cluster") => concerns.push(
            "is a node of a cluster: when the stream's slot moves, this node no longer takes events"
                .to_owned(),
        ),
        _ => {}
    }
    if field("role") == Some("slave") {
        concerns.push("is a replica, which takes nothing: name the primary".to_owned());
    }
    if field("aof_enabled") == Some("0") {
        concerns.push(
            "has no append-only file (appendonly no): events that were published since its last \
             snapshot are lost when it ends"
                .to_owned(),
        );
    }
    let policy = field("maxmemory_policy").unwrap_or_default();
    if policy.starts_with("allkeys-") && field("maxmemory") != Some("0") {
        concerns.push(format!(
            "evicts the stream itself when memory is short (maxmemory-policy {policy})"
        ));
    }
    concerns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_with_an_append_only_file_gives_nothing_to_worry_about() {
        let info = "# Server\r\nredis_mode:standalone\r\nrole:master\r\naof_enabled:1\r\n\
                    maxmemory:1000\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(concerns_in(info), Vec::<String>::new());
    }

    #[test]
    fn eviction_of_all_keys_matters_only_where_memory_is_bounded() {
        let info = "aof_enabled:1\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(concerns_in(info), Vec::<String>::new());
        let info = "aof_enabled:1\r\nmaxmemory:9\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(concerns_in(info).len(), 1);
    }

    #[test]
    fn a_sentinel_is_told_apart_from_a_redis_without_settings() {
        assert_eq!(concerns_in("redis_mode:sentinel\r\n").len(), 1);
        assert_eq!(concerns_in("").len(), 0);
    }
}
