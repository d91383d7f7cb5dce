//! Gauges of the events that wait, measured in a task of its own so that a relay that hangs is seen.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sqlx::PgPool;
use tokio::sync::watch;

use crate::{
    db::{
        self,
        outbox::{COUNTED_MAX, FollowerLag, Lag, operators::count_dead_letters},
    },
    metrics::{Metrics, SinkLabel},
};

use super::backoff::limit_after;

const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// The time limit of a measurement; a slow database gets longer after each failure ([`limit_after`]).
const MEASURE_MAX: Duration = Duration::from_secs(2);
/// At most one part in this many of the time is spent measuring. While a long transaction elsewhere keeps
/// published events from being vacuumed, each measurement scans all of them.
const MEASURE_PART: u32 = 10;

/// Measures until `stopping` is true. While PostgreSQL is away the gauges keep their last values, and the
/// gauge of the time of measurement grows old.
pub(super) async fn measure(
    pool: PgPool,
    metrics: Metrics,
    primary: String,
    followers: Vec<String>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut failures = 0_u32;
    while !*stopping.borrow_and_update() {
        let started = Instant::now();
        let limit = limit_after(failures, MEASURE_MAX);
        let lag = db::within(&pool, limit, async |connection| {
            let lag = db::outbox::lag(connection).await?;
            let dead = count_dead_letters(connection).await?;
            report_sink(&metrics, &primary, FollowerLag { lag, dead });
            for sink in &followers {
                let follower = db::outbox::follower_lag(connection, sink).await?;
                report_sink(&metrics, sink, follower);
            }
            let webhooks = db::webhooks::count_waiting(connection, COUNTED_MAX + 1).await?;
            metrics.webhook_waiting.set(webhooks);
            Ok(lag)
        });
        match lag.await {
            Ok(lag) => {
                failures = 0;
                report(&metrics, lag);
            }
            Err(error) => {
                failures += 1;
                tracing::debug!("the outbox could not be measured: {error}");
            }
        }
        let pause = if failures == 0 {
            MEASURE_EVERY.max(started.elapsed() * MEASURE_PART)
        } else {
            MEASURE_EVERY
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
}

fn report(metrics: &Metrics, lag: Lag) {
    metrics.outbox_waiting.set(lag.waiting);
    metrics.outbox_oldest.set(lag.oldest_s);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    metrics
        .outbox_measured
        .set(now.map_or(0.0, |now| now.as_secs_f64()));
}

fn report_sink(metrics: &Metrics, sink: &str, FollowerLag { lag, dead }: FollowerLag) {
    let label = SinkLabel::of(sink);
    metrics
        .outbox_sink_waiting
        .get_or_create(&label)
        .set(lag.waiting);
    metrics
        .outbox_sink_oldest
        .get_or_create(&label)
        .set(lag.oldest_s);
    metrics
        .outbox_sink_dead_letters
        .get_or_create(&label)
        .set(dead);
}
