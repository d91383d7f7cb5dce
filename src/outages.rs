//! Logs that PostgreSQL or Redis is away, once, with the cause, and that it is back.
//!
//! A failed statement or command only raises a suspicion: a pool that timed out can't distinguish a
//! server that is gone from one that is busy. A watcher then asks the server itself. No request waits
//! for it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

/// PostgreSQL, which every request needs.
pub static POSTGRESQL: Dependency = Dependency::new(
    "PostgreSQL",
    "requests are answered 503 DEPENDENCY_UNAVAILABLE until it is back",
    None,
);
/// Redis, which no request needs: PostgreSQL has every first answer.
pub static REDIS: Dependency = Dependency::new(
    "Redis",
    "going on without it: keys and first answers are looked up in PostgreSQL, and events wait, until it is \
     back",
    Some("SPLITCART_REDIS_URL"),
);

/// The pause between two attempts while a server is away, and after a wrong suspicion.
const PAUSE: Duration = Duration::from_millis(500);
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// A server that the service depends on.
#[derive(Debug)]
pub struct Dependency {
    name: &'static str,
    consequence: &'static str,
    /// The variable that configures the server, if the service starts without it: the address may be wrong.
    variable: Option<&'static str>,
    suspicion: Notify,
    is_away: AtomicBool,
    away_since: Mutex<Option<DateTime<Utc>>>,
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
            away_since: Mutex::new(None),
        }
    }

    /// Makes the watcher ask the server, after a failure that it may have caused.
    pub fn suspect(&self) {
        // A busy watcher finds one suspicion later.
        self.suspicion.notify_one();
    }

    /// True if the server is known to be away.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// The time from which on the server is known to be away; `None` while it is there.
    pub fn away_since(&self) -> Option<DateTime<Utc>> {
        *self
            .away_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set_away(&self, since: Option<DateTime<Utc>>) {
        *self
            .away_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = since;
        self.is_away.store(since.is_some(), Ordering::Relaxed);
    }

    /// Watches the server at `host`, forever. `ask` fails with the cause.
    pub async fn watch(&self, host: String, ask: impl AsyncFn() -> Result<(), String>) {
        let name = self.name;
        let attempt = async || {
            let asked = tokio::time::timeout(ATTEMPT_MAX, ask()).await;
            asked.unwrap_or_else(|_| Err("it does not answer in time".to_owned()))
        };
        let mut unconfirmed = self.variable;
        loop {
            self.suspicion.notified().await;
            let began = Instant::now();
            if let Err(cause) = attempt().await {
                self.set_away(Some(Utc::now()));
                let question =
                    unconfirmed.map_or_else(String::new, |name| format!(". Is {name} right?"));
                tracing::error!(
                    dependency.name = name,
                    dependency.host = host,
                    "{name} at {host} can't be used: {cause}; {}{question}",
                    self.consequence
                );
                while attempt().await.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
                self.set_away(None);
                let away_s = began.elapsed().as_secs_f64();
                tracing::info!(
                    dependency.name = name,
                    dependency.host = host,
                    dependency.away_s = away_s,
                    "{name} at {host} is back after {away_s:.1} s"
                );
            }
            unconfirmed = None;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
