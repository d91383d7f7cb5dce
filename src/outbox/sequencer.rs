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
/// At most one part in this many of the time is spent looking.
const LOOK_PART: u32 = 10;
/// The most events that get a place in one statement.
const EVENTS_MAX: i64 = 5000;
/// The time limit of a statement; a slow database gets longer after each failure ([`limit_after`]).
const STATEMENT_MAX: Duration = Duration::from_secs(2);

/// Looks for events without a place in the log until `stopping` is true.
pub async fn sequence(pool: PgPool, mut stopping: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    let mut looked_at_all: Option<Instant> = None;
    while !*stopping.borrow_and_update() {
        let started = Instant::now();
        let look_back = match looked_at_all {
            Some(at) if at.elapsed() < LOOK_AT_ALL_EVERY => LookBack::Recent(RECENTLY_WRITTEN),
            Some(_) | None => LookBack::Everything,
        };
        let limit = limit_after(failures, STATEMENT_MAX);
        let found = db::within(&pool, limit, async |connection| {
            sequence_waiting(connection, look_back, EVENTS_MAX).await
        });
        let is_done = match found.await {
            Ok(found) => {
                failures = 0;
                found < EVENTS_MAX.unsigned_abs()
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::debug!(
                    "waiting events could not be given their place in the log: {error}"
                );
                looked_at_all = None;
                true
            }
        };
        if !is_done {
            continue;
        }
        if failures == 0 && look_back == LookBack::Everything {
            looked_at_all = Some(started);
        }
        let pause = LOOK_EVERY.max(started.elapsed() * LOOK_PART);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
}
