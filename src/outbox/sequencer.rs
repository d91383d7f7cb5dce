//! Gives events that the primary sink has not taken their place in the log, so that followers and live
//! streams have them within a second, whatever the state of the primary sink.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::watch;

use crate::db::{
    self,
    outbox::{LookBack, RECENTLY_WRITTEN, sequence_waiting},
};

use super::backoff::limit_after;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The interval of looks at all waiting events.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(30);
/// The time limit of such a look.
const LOOK_AT_ALL_MAX: Duration = Duration::from_secs(10);
/// The pause after a look is at least so many times as long as the look.
const LOOK_PART: u32 = 2;
/// The most events that get a place in one statement.
const EVENTS_MAX: i64 = 5000;
/// The time limit of a statement; a slow database gets longer after each failure ([`limit_after`]).
const STATEMENT_MAX: Duration = Duration::from_secs(2);

/// Looks for events without a place in the log until `stopping` is true. A look at all that fails, because a
/// great many wait, is made again later; recent events are looked at all the time.
pub async fn sequence(pool: PgPool, mut stopping: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    let mut looks_at_all = Instant::now();
    while !*stopping.borrow_and_update() {
        let started = Instant::now();
        let (look_back, limit) = if started >= looks_at_all {
            looks_at_all = started + LOOK_AT_ALL_EVERY;
            (LookBack::Everything, LOOK_AT_ALL_MAX)
        } else {
            let limit = limit_after(failures, STATEMENT_MAX);
            (LookBack::Recent(RECENTLY_WRITTEN), limit)
        };
        let found = db::within(&pool, limit, async |connection| {
            sequence_waiting(connection, look_back, EVENTS_MAX).await
        });
        match found.await {
            Ok(found) if found >= EVENTS_MAX.unsigned_abs() => {
                if look_back == LookBack::Everything {
                    looks_at_all = started;
                }
                continue;
            }
            Ok(_) => failures = 0,
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::debug!(
                    "waiting events could not be given their place in the log: {error}"
                );
            }
        }
        let pause = LOOK_EVERY.max(started.elapsed() * LOOK_PART);
        tokio::select! {
            () = tokio::time::sleep(pause.min(LOOK_AT_ALL_EVERY)) => {}
            _ = stopping.changed() => {}
        }
    }
}
