//! The pause after a failure or a timeout: while Redis is slow or away, commands are skipped instead of
//! waited for, and everything goes on without Redis.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use redis::RedisResult;

use crate::{metrics::Metrics, outages::REDIS, request_id};

/// Skips commands for a while after one has failed.
pub(super) struct RedisPause {
    /// The time limit of a command, kept by the connection.
    timeout: Duration,
    pause: Duration,
    created_at: Instant,
    /// In ms since `created_at`; 0 while Redis is well.
    paused_until: AtomicU64,
    metrics: Metrics,
}

impl RedisPause {
    pub fn new(timeout: Duration, pause: Duration, metrics: Metrics) -> Self {
        Self {
            timeout,
            pause,
            created_at: Instant::now(),
            paused_until: AtomicU64::new(0),
            metrics,
        }
    }

    /// Runs a command. Returns `None` if Redis is paused, and if it failed or did not answer in time, which
    /// begins a pause.
    pub async fn run<T>(&self, command: impl Future<Output = RedisResult<T>>) -> Option<T> {
        let now = millis(self.created_at.elapsed());
        let paused_until = self.paused_until.load(Ordering::Relaxed);
        if now < paused_until {
            return None;
        }
        if paused_until > 0 {
            // After a pause one command tries whether Redis is back; the others do not wait for its
            // outcome.
            let tried_by = now + millis(self.timeout);
            self.paused_until.store(tried_by, Ordering::Relaxed);
        }
        let sent_at = Instant::now();
        let answered = command.await;
        self.metrics
            .redis_command_duration
            .observe(sent_at.elapsed().as_secs_f64());
        match answered {
            Ok(value) => {
                if paused_until > 0 {
                    self.paused_until.store(0, Ordering::Relaxed);
                }
                Some(value)
            }
            Err(error) => {
                let cause = if error.is_timeout() {
                    format!("no answer within {:?}", self.timeout)
                } else {
                    error.to_string()
                };
                self.begin(&cause);
                None
            }
        }
    }

    fn begin(&self, cause: &str) {
        self.metrics.redis_failures.inc();
        // A Redis that is away is logged once (see `outages`); one that is slow is known only here.
        if !REDIS.is_away() {
            tracing::warn!(
                http.request_id = request_id::current().as_deref(),
                "going on without Redis for {:?}: {cause}",
                self.pause
            );
        }
        REDIS.suspect();
        let until = millis(self.created_at.elapsed() + self.pause);
        self.paused_until.store(until, Ordering::Relaxed);
    }
}

/// Milliseconds, as Redis and the pause count them.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
