//! What waits in the outbox, measured in a task of its own: a relay that hangs must be seen.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::PgPool;
use tokio::sync::watch;

use crate::{
    db::{self, outbox::Lag},
    metrics::Metrics,
};

/// How often it is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// How long a measurement may take.
const MEASURE_MAX: Duration = Duration::from_secs(2);

/// Measures until `stopping` is true. While PostgreSQL is away the gauges keep what was last measured,
/// and the gauge of when that was grows old.
pub async fn measure(pool: PgPool, metrics: Metrics, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() {
        let lag = db::within(&pool, MEASURE_MAX, async |connection| {
            db::outbox::lag(connection).await
        });
        match lag.await {
            Ok(lag) => tell(&metrics, lag),
            Err(error) => tracing::debug!("the outbox was not measured: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(MEASURE_EVERY) => {}
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
