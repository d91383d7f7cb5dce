//! Checks the Redis of the event stream for settings and roles that may lose events.
//!
//! An event counts as published when Redis has it in memory; its durability is up to the operator. So a
//! check at start and once a minute reports every risk that it can see. Nothing waits for it.

use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::sync::watch;

use crate::{
    outbox::sink_state::SinkReport,
    redis_client::{Connection, Target, info_field},
};

const CHECK_EVERY: Duration = Duration::from_mins(1);
/// The pause after a check that got no answer.
const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Checks until `stopping` is true. A Redis that does not answer is reported by the relay, not here.
pub fn watch_redis(
    redis: &Target,
    stream: &str,
    report: SinkReport,
    mut stopping: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let mut connection = Connection::lazy_for(redis, super::probe(stream), ANSWER_MAX);
    let of_cluster = redis.is_cluster();
    let stream = stream.to_owned();
    async move {
        while !*stopping.borrow_and_update() {
            let pause = match find_concerns(&mut connection, &stream, of_cluster).await {
                Ok(concerns) => {
                    report.report_concerns(concerns);
                    CHECK_EVERY
                }
                Err(error) => {
                    tracing::debug!("the Redis of the event stream could not be checked: {error}");
                    CHECK_AGAIN_AFTER
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.changed() => {}
            }
        }
    }
}

async fn find_concerns(
    connection: &mut Connection,
    stream: &str,
    of_cluster: bool,
) -> RedisResult<Vec<String>> {
    let answers: Vec<RedisResult<Value>> = redis::pipe()
        .cmd("INFO")
        .cmd("TYPE")
        .arg(stream)
        .add_command(super::probe(stream))
        .ignore_errors()
        .query_async(connection)
        .await?;
    let [info, kind, probe] = answers.as_slice() else {
        unreachable!("each command has an answer");
    };
    // A user with all the rights that publishing needs may still be forbidden some of these commands.
    let text = |answer: &RedisResult<Value>| {
        let value = answer.clone().ok()?;
        redis::from_redis_value::<String>(value).ok()
    };
    let mut concerns = text(info).map_or_else(Vec::new, |info| concerns_in(&info, of_cluster));
    if let Some(kind) = text(kind)
        && !["none", "stream"].contains(&kind.as_str())
    {
        concerns.push(format!(
            "holds a {kind} where the stream {stream:?} should be"
        ));
    }
    if let Err(error) = probe
        && !super::is_refused_for_its_id(&error.to_string())
    {
        concerns.push(format!("does not take events: {error}"));
    }
    Ok(concerns)
}

/// The concerns that an answer to INFO raises. `of_cluster`: the Redis is configured as a cluster.
fn concerns_in(info: &str, of_cluster: bool) -> Vec<String> {
    if info_field(info, "redis_mode") == Some("sentinel") {
        return role(info, of_cluster).into_iter().collect();
    }
    let concerns = [role(info, of_cluster), persistence(info), eviction(info)];
    concerns.into_iter().flatten().collect()
}

/// The concern about the role of a server with this answer to INFO.
pub fn role(info: &str, of_cluster: bool) -> Option<String> {
    let field = |name| info_field(info, name);
    let concern = match (field("redis_mode"), field("role")) {
        (Some("sentinel"), _) => {
            "is a Sentinel, which stores no data: begin the URL with redis+sentinel://"
        }
        (_, Some("slave")) => "is a replica, which takes no writes: configure the primary",
        (Some("cluster"), _) if !of_cluster => {
            "is a node of a cluster: when the stream's slot moves, this node no longer takes events; begin the \
             URL with redis+cluster://"
        }
        _ => return None,
    };
    Some(concern.to_owned())
}

/// The concern about events that a crash of the server would lose.
pub fn persistence(info: &str) -> Option<String> {
    (info_field(info, "aof_enabled") == Some("0")).then(|| {
        "has no append-only file (appendonly no): events published since its last snapshot are lost \
         when it crashes or stops"
            .to_owned()
    })
}

/// The concern about a server that removes the stream when its memory is short.
pub fn eviction(info: &str) -> Option<String> {
    let policy = info_field(info, "maxmemory_policy").unwrap_or_default();
    let evicts = policy.starts_with("allkeys-") && info_field(info, "maxmemory") != Some("0");
    evicts.then(|| {
        format!("evicts the stream itself when memory is short (maxmemory-policy {policy})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_with_an_append_only_file_raises_no_concern() {
        let info = "# Server\r\nredis_mode:standalone\r\nrole:master\r\naof_enabled:1\r\n\
                    maxmemory:1000\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(concerns_in(info, false), Vec::<String>::new());
    }

    #[test]
    fn eviction_of_all_keys_matters_only_where_memory_is_bounded() {
        let info = "aof_enabled:1\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(concerns_in(info, false), Vec::<String>::new());
        let info = "aof_enabled:1\r\nmaxmemory:9\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(concerns_in(info, false).len(), 1);
    }

    #[test]
    fn a_sentinel_is_a_concern_and_missing_settings_are_none() {
        assert_eq!(concerns_in("redis_mode:sentinel\r\n", false).len(), 1);
        assert_eq!(concerns_in("", false).len(), 0);
    }
}
