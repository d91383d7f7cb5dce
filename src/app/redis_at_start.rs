//! Logs at start which Redis answers. The service starts without Redis, and an operator who has
//! mistyped a URL should learn of it before the first slow request. For the Redis of keys and first
//! answers [`crate::outages`] reports it.

use std::time::Duration;

use redis::{Client, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{sleep, timeout};

/// The longest time of one attempt.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const SILENT: &str = "it does not answer in time";
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// Logs the version of Redis, once it answers.
pub(super) async fn report(url: SecretString) {
    report_or_warn(url, |_, _| {}).await;
}

/// Does the same for the Redis of a sink of events, and warns if it can't be used at first.
pub(super) async fn report_of_events(url: SecretString) {
    report_or_warn(url, |place, why| {
        tracing::warn!(
            "Redis at {place} can't be used: {why}; going on without it: events wait. Is \
             the URL of the sink right (SPLITCART_OUTBOX_REDIS_URL, or url in [[outbox.sinks]])?"
        );
    })
    .await;
}

async fn report_or_warn(url: SecretString, warn: impl FnOnce(&str, String)) {
    let Ok(client) = Client::open(url.expose_secret()) else {
        return;
    };
    let place = client.get_connection_info().addr().to_string();
    let mut warn = Some(warn);
    loop {
        let failed = match timeout(ANSWER_MAX, version(&client)).await {
            Ok(Ok(version)) => {
                tracing::info!("Redis {version} at {place} answers");
                return;
            }
            Ok(Err(error)) => plainly(&error),
            Err(_) => SILENT.to_owned(),
        };
        if let Some(warn) = warn.take() {
            warn(&place, failed);
        }
        sleep(PAUSE).await;
    }
}

async fn version(client: &Client) -> RedisResult<String> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING")
        .query_async::<String>(&mut connection)
        .await?;
    // A Redis user that may do everything that the service needs may still be denied INFO.
    let info = redis::cmd("INFO")
        .arg("server")
        .query_async::<String>(&mut connection)
        .await;
    let info = info.unwrap_or_default();
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    let version = fields.find(|(name, _)| *name == "redis_version");
    Ok(version
        .map_or("of an unknown version", |(_, version)| version.trim())
        .to_owned())
}

/// The error, cut to a bounded length: a server that is no Redis may answer with anything.
pub(crate) fn plainly(error: &RedisError) -> String {
    if error.is_timeout() {
        return SILENT.to_owned();
    }
    error.to_string().chars().take(200).collect()
}
