//! What waits in the outbox, measured in a task of its own: a relay that hangs must be seen.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sqlx::PgPool;
use tokio::sync::watch;

use crate::{
    db::{self, outbox::Lag},
    metrics::Metrics,
};

/// How often it is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// How long a measurement may take. A database that is slow has longer after each failure, up to eight
/// times as long.
const MEASURE_MAX: Duration = Duration::from_secs(2);
/// The part of the time that measuring may take. While somebody's old snapshot keeps what was published
/// from being vacuumed, each measurement walks all of it.
const BUSY_PART: u32 = 10;

/// Measures until `stopping` is true. While PostgreSQL is away the gauges keep what was last measured,
/// and the gauge of when that was grows old.
pub async fn measure(pool: PgPool, metrics: Metrics, mut stopping: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    while !*stopping.borrow_and_update() {
        let started = Instant::now();
        let limit = MEASURE_MAX * 2_u32.pow(failures.min(3));
        let lag = db::within(&pool, limit, async |connection| {
            db::outbox::lag(connection).await
        });
        match lag.await {
            Ok(lag) => {
                failures = 0;
                tell(&metrics, lag);
            }
            Err(error) => {
                failures += 1;
                tracing::debug!("the outbox was not measured: {error}");
            }
        }
        let pause = if failures == 0 {
            MEASURE_EVERY.max(started.elapsed() * BUSY_PART)
        } else {
            MEASURE_EVERY
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
}

fn tell(metrics: &Metrics, lag: Lag) {
    metrics.outbox_waiting.set(lag.waiting);
    metrics.outbox_oldest.set(lag.oldest_s);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    metrics
        .outbox_measured
        .set(now.map_or(0.0, |it| it.as_secs_f64()));
}
