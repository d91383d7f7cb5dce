//! Removes expired idempotency keys, and published events after their retention, in the background.
//!
//! Each kind has a task of its own. Every statement removes a bounded number of rows within a time limit of
//! this process.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    db::{self, outbox::Swept},
    domain::ids::EventId,
    metrics::Metrics,
};

const SWEEP_EVERY: Duration = Duration::from_mins(5);
/// The most rows that one statement removes, so that none holds locks for long.
const ROWS_MAX: i64 = 1000;
const STATEMENT_MAX: Duration = Duration::from_secs(10);
/// The pause between two statements of one sweep, which leaves the disk to others: at most ten thousand
/// rows are removed per second.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes expired keys of checkouts, cart PUTs and stock counts, with their answers, until `stopping` is true.
pub async fn remove_expired_keys(pool: PgPool, mut stopping: watch::Receiver<bool>) {
    loop {
        let removed = db::within(&pool, STATEMENT_MAX, async |connection| {
            let of_checkouts = db::idempotency::sweep_expired(connection, ROWS_MAX).await?;
            let of_carts = db::carts::sweep_expired_answers(connection, ROWS_MAX).await?;
            let of_counts = db::inventory::sweep_expired_answers(connection, ROWS_MAX).await?;
            Ok(of_checkouts.max(of_carts).max(of_counts))
        });
        let pause = match removed.await {
            Ok(removed) if removed >= ROWS_MAX.unsigned_abs() => PAUSE,
            Ok(_) => SWEEP_EVERY,
            Err(error) => pause_after(&error),
        };
        if stops_within(&mut stopping, pause).await {
            return;
        }
    }
}

/// Removes events that were published longer than `retention` ago, and that none of the `followers` has yet
/// to take, until `stopping` is true.
pub async fn remove_published_events(
    pool: PgPool,
    retention: Duration,
    followers: Vec<String>,
    metrics: Metrics,
    mut stopping: watch::Receiver<bool>,
) {
    let first = EventId::new(Uuid::nil());
    let mut after = first;
    loop {
        let swept = db::within(&pool, STATEMENT_MAX, async |connection| {
            db::outbox::sweep_published(connection, after, retention, ROWS_MAX, &followers).await
        });
        let pause = match swept.await {
            Ok(Swept {
                removed,
                last: Some(last),
            }) if removed >= ROWS_MAX.unsigned_abs() => {
                metrics.outbox_removed.inc_by(removed);
                // The index entries before it are dead, and would be scanned again by each statement.
                after = last;
                PAUSE
            }
            Ok(swept) => {
                metrics.outbox_removed.inc_by(swept.removed);
                after = first;
                SWEEP_EVERY
            }
            Err(error) => pause_after(&error),
        };
        if stops_within(&mut stopping, pause).await {
            return;
        }
    }
}

fn pause_after(error: &db::Error) -> Duration {
    tracing::warn!("the sweeper will try again: {error}");
    SWEEP_EVERY
}

async fn stops_within(stopping: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    if !*stopping.borrow_and_update() {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
    *stopping.borrow()
}
