//! Says at start which Redis there is, or that there is none: the service comes up without it, and whoever
//! has mistyped its URL is to learn so before the first slow request.

use std::time::Duration;

use redis::{Client, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{sleep, timeout};

/// How long an attempt may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const SILENT: &str = "it does not answer in time";
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// What a Redis is for: the variable that names it, and what becomes of it meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose {
    variable: &'static str,
    without_it: &'static str,
}

/// For first answers, and for events unless these have one of their own.
pub(super) const ANSWERS: Purpose = Purpose {
    variable: "SPLITCART_REDIS_URL",
    without_it: "repeated requests are answered from PostgreSQL, and events wait",
};
/// For events only.
pub(super) const EVENTS: Purpose = Purpose {
    variable: "SPLITCART_OUTBOX_REDIS_URL",
    without_it: "events wait",
};

/// Says what there is, and if it was nothing, when it is there.
pub(super) async fn report(url: SecretString, purpose: Purpose) {
    let Ok(client) = Client::open(url.expose_secret()) else {
        return;
    };
    let place = client.get_connection_info().addr().to_string();
    let mut told = false;
    loop {
        match timeout(ANSWER_MAX, version(&client)).await {
            Ok(Ok(version)) => {
                tracing::info!("Redis {version} at {place} answers");
                return;
            }
            failed if !told => {
                told = true;
                let why = match failed {
                    Ok(Err(error)) => plainly(&error),
                    _ => SILENT.to_owned(),
                };
                tracing::warn!(
                    "Redis at {place} can't be used: {why}; going on without it: {}. Is {} right?",
                    purpose.without_it,
                    purpose.variable,
                );
            }
            _ => {}
        }
        sleep(PAUSE).await;
    }
}

async fn version(client: &Client) -> RedisResult<String> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING")
        .query_async::<String>(&mut connection)
        .await?;
    // A user who may do all that we need may be forbidden to ask this.
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

/// What it said; a server that is none says things of any length.
fn plainly(error: &RedisError) -> String {
    if error.is_timeout() {
        return SILENT.to_owned();
    }
    error.to_string().chars().take(200).collect()
}
