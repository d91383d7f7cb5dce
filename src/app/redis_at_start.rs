//! Logs at start which Redis answers. The service starts without Redis, and an operator who has
//! mistyped a URL should learn of it before the first slow request. For the Redis of keys and first
//! answers [`crate::outages`] reports it.

use std::time::Duration;

use redis::RedisError;
use tokio::time::{sleep, timeout};

use crate::{
    ops::redis_role::{self, Server},
    redis_client::Target,
};

/// The longest time of one attempt.
const ANSWER_MAX: Duration = Duration::from_secs(2);
pub(crate) const SILENT: &str = "it does not answer in time";
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// Logs the version of Redis, once it answers.
pub(super) async fn report(target: Target) {
    report_or_warn(target, |_, _| {}).await;
}

/// Does the same for the Redis of a sink of events, and warns if it can't be used at first.
pub(super) async fn report_of_events(target: Target) {
    report_or_warn(target, |place, why| {
        tracing::warn!(
            "Redis at {place} can't be used: {why}; going on without it: events wait. Is \
             the URL of the sink right (SPLITCART_OUTBOX_REDIS_URL, or url in [[outbox.sinks]])?"
        );
    })
    .await;
}

async fn report_or_warn(target: Target, warn: impl FnOnce(&str, String)) {
    let mut warn = Some(warn);
    loop {
        let failed = match timeout(ANSWER_MAX, redis_role::servers(&target)).await {
            Ok(Ok(servers)) => {
                for server in &servers {
                    log(&target, server);
                }
                return;
            }
            Ok(Err(error)) => plainly(&error),
            Err(_) => SILENT.to_owned(),
        };
        if let Some(warn) = warn.take() {
            warn(target.place(), failed);
        }
        sleep(PAUSE).await;
    }
}

/// One line per server: a cluster has several, and Sentinels lead to another one than the URL names.
fn log(target: &Target, server: &Server) {
    let version = server.version.as_deref().unwrap_or("of an unknown version");
    let address = &server.address;
    let role = match server.role {
        "unknown" => String::new(),
        role => format!(" ({role})"),
    };
    match &server.problem {
        None => tracing::info!("Redis {version} at {address} answers{role}"),
        Some(problem) => tracing::warn!("Redis at {address}, of {}: {problem}", target.place()),
    }
}

/// The error, cut to a bounded length: a server that is no Redis may answer with anything.
pub(crate) fn plainly(error: &RedisError) -> String {
    if error.is_timeout() {
        return SILENT.to_owned();
    }
    error.to_string().chars().take(200).collect()
}
