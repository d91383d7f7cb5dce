//! Says when PostgreSQL or Redis is away, once, with the cause, and when it is back.
//!
//! Whoever fails because of one of them only raises a suspicion: a pool that has timed out can't tell a
//! server that is gone from one that is busy. A watcher then asks the server itself, and nobody waits for
//! it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// PostgreSQL, without which nothing is done.
pub static POSTGRESQL: Dependency = Dependency::new(
    "PostgreSQL",
    "requests are answered 503 DEPENDENCY_UNAVAILABLE until it is back",
    None,
);
/// Redis, without which answers are found in PostgreSQL.
pub static REDIS: Dependency = Dependency::new(
    "Redis",
    "going on without it: keys and first answers are looked up in PostgreSQL, and events wait, until it is \
     back",
    Some("SPLITCART_REDIS_URL"),
);

/// Between two attempts while it is away, and after a suspicion that was wrong.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// A server that we depend on.
#[derive(Debug)]
pub struct Dependency {
    name: &'static str,
    consequence: &'static str,
    /// What names it, if the service starts without it: then the name may be what is wrong.
    variable: Option<&'static str>,
    suspicion: Notify,
    is_away: AtomicBool,
}

impl Dependency {
    const fn new(
        name: &'static str,
        consequence: &'static str,
        variable: Option<&'static str>,
    ) -> Self {
        Self {
            name,
            consequence,
            variable,
            suspicion: Notify::const_new(),
            is_away: AtomicBool::new(false),
        }
    }

    /// Something has failed that may be due to it.
    pub fn suspect(&self) {
        // One is kept for a watcher that is busy.
        self.suspicion.notify_one();
    }

    /// Whether it is known to be away.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Watches it at `host`, for ever. `ask` fails with the cause.
    pub async fn watch(&self, host: String, ask: impl AsyncFn() -> Result<(), String>) {
        let name = self.name;
        let attempt = async || {
            let asked = tokio::time::timeout(ATTEMPT_MAX, ask()).await;
            asked.unwrap_or_else(|_| Err("it does not answer in time".to_owned()))
        };
        let mut doubtful = self.variable;
        loop {
            self.suspicion.notified().await;
            let began = Instant::now();
            if let Err(cause) = attempt().await {
                self.is_away.store(true, Ordering::Relaxed);
                let question = doubtful.map_or_else(String::new, |it| format!(". Is {it} right?"));
                tracing::error!(
                    dependency.name = name,
                    dependency.host = host,
                    "{name} at {host} can't be used: {cause}; {}{question}",
                    self.consequence
                );
                while attempt().await.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
                self.is_away.store(false, Ordering::Relaxed);
                let away_s = began.elapsed().as_secs_f64();
                tracing::info!(
                    dependency.name = name,
                    dependency.host = host,
                    dependency.away_s = away_s,
                    "{name} at {host} is back after {away_s:.1} s"
                );
            }
            doubtful = None;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
