//! Removes what has been kept for long enough, a few rows at a time, in the background: idempotency
//! keys that have expired, and events that were published long ago. Each in a task of its own, and
//! every statement within a limit of this process.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    db::{self, outbox::Swept},
    domain::ids::EventId,
    metrics::Metrics,
};

/// How often each of them looks.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// The most rows removed by one statement, so that none holds locks for long.
const ROWS_MAX: i64 = 1000;
/// How long a statement may take.
const STATEMENT_MAX: Duration = Duration::from_secs(10);
/// Between two statements others have the disk. Ten thousand rows a second are removed at most.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes expired keys and what was answered under them until `stopping` is true: of checkouts, and
/// of cart PUTs.
pub async fn remove_expired_keys(pool: PgPool, mut stopping: watch::Receiver<bool>) {
    loop {
        let removed = db::within(&pool, STATEMENT_MAX, async |connection| {
            let of_checkouts = db::idempotency::sweep_expired(connection, ROWS_MAX).await?;
            let of_carts = db::carts::sweep_expired_answers(connection, ROWS_MAX).await?;
            Ok(of_checkouts.max(of_carts))
        });
        let pause = match removed.await {
            Ok(removed) if removed >= ROWS_MAX.unsigned_abs() => PAUSE,
            Ok(_) => LOOK_EVERY,
            Err(error) => try_again_after(&error),
        };
        if has_to_stop(&mut stopping, pause).await {
            return;
        }
    }
}

/// Removes events that were published longer than `retention` ago, until `stopping` is true.
pub async fn remove_published_events(
    pool: PgPool,
    retention: Duration,
    metrics: Metrics,
    mut stopping: watch::Receiver<bool>,
) {
    let first = EventId::new(Uuid::nil());
    let mut after = first;
    loop {
        let swept = db::within(&pool, STATEMENT_MAX, async |connection| {
            db::outbox::sweep_published(connection, after, retention, ROWS_MAX).await
        });
        let pause = match swept.await {
            Ok(Swept {
                removed,
                last: Some(last),
            }) if removed >= ROWS_MAX.unsigned_abs() => {
                metrics.outbox_removed.inc_by(removed);
                // Those before it are dead, and would be walked through each time.
                after = last;
                PAUSE
            }
            Ok(swept) => {
                metrics.outbox_removed.inc_by(swept.removed);
                after = first;
                LOOK_EVERY
            }
            Err(error) => try_again_after(&error),
        };
        if has_to_stop(&mut stopping, pause).await {
            return;
        }
    }
}

fn try_again_after(error: &db::Error) -> Duration {
    tracing::warn!("the sweeper will try again: {error}");
    LOOK_EVERY
}

async fn has_to_stop(stopping: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    if !*stopping.borrow_and_update() {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
    *stopping.borrow()
}
