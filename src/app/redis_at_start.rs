//! Says at start which Redis there is. The service comes up without it, and whoever has mistyped a URL is to
//! learn so before the first slow request: of the Redis of keys and first answers [`crate::outages`] says so.

use std::time::Duration;

use redis::{Client, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{sleep, timeout};

/// How long an attempt may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const SILENT: &str = "it does not answer in time";
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// Says which Redis there is, once it answers.
pub(super) async fn report(url: SecretString) {
    report_or_say(url, |_, _| {}).await;
}

/// Does the same for that of the events, and says if it can't be used at first.
pub(super) async fn report_of_events(url: SecretString) {
    report_or_say(url, |place, why| {
        tracing::warn!(
            "Redis at {place} can't be used: {why}; going on without it: events wait. Is \
             SPLITCART_OUTBOX_REDIS_URL right?"
        );
    })
    .await;
}

async fn report_or_say(url: SecretString, say: impl FnOnce(&str, String)) {
    let Ok(client) = Client::open(url.expose_secret()) else {
        return;
    };
    let place = client.get_connection_info().addr().to_string();
    let mut say = Some(say);
    loop {
        let failed = match timeout(ANSWER_MAX, version(&client)).await {
            Ok(Ok(version)) => {
                tracing::info!("Redis {version} at {place} answers");
                return;
            }
            Ok(Err(error)) => plainly(&error),
            Err(_) => SILENT.to_owned(),
        };
        if let Some(say) = say.take() {
            say(&place, failed);
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
