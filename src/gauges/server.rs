//! Gauges of the PostgreSQL server: its connections against its limit, and sessions that wait for locks.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;

use crate::{db, metrics::Metrics};

use super::{pause, unix_now};

const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// The longest time of a measurement.
const MEASURE_MAX: Duration = Duration::from_secs(5);

/// Measures until `stopping` is true. While PostgreSQL is away the gauges keep their last values, and the
/// gauge of the time of measurement grows old.
pub async fn measure(pool: PgPool, metrics: Metrics, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() {
        let measured = db::within(&pool, MEASURE_MAX, async |connection| {
            let settings = db::server::settings(connection).await?;
            let lock_waits = db::server::count_lock_waits(connection).await?;
            Ok((settings, lock_waits))
        });
        match measured.await {
            Ok((settings, lock_waits)) => {
                // With the connection of this measurement.
                metrics.database_connections.set(settings.taken + 1);
                metrics.database_connections_max.set(settings.usable());
                metrics.database_lock_waits.set(lock_waits);
                metrics.database_measured.set(unix_now());
            }
            Err(error) => tracing::debug!("the server could not be measured: {error}"),
        }
        pause(MEASURE_EVERY, &mut stopping).await;
    }
}
