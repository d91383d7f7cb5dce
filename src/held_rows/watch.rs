//! Watches held rows until they are free.
//!
//! A row is forgotten when it is free, and also when it has passed from one holder to the next: such a row
//! is busy, not stuck, and worth waiting for.

use std::{
    collections::{BTreeSet, HashMap},
    sync::MutexGuard,
    time::{Duration, Instant},
};

use sqlx::PgPool;

use crate::db::held::Holder;

use super::{HeldRows, Known, count, look::look_once, row::Row};

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A row that could not be looked at for so long, because the database does not answer, is forgotten.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(2);

impl HeldRows {
    /// Looks at the rows that are known to be held, as long as there are any, and forgets those that
    /// are free.
    pub(crate) async fn watch(self, pool: PgPool) {
        loop {
            if self.is_empty() {
                self.0.begun.notified().await;
                continue;
            }
            let started = Instant::now();
            let rows: BTreeSet<_> = self.known().rows.keys().copied().collect();
            match look_once(&pool, &rows).await {
                Ok(held) => self.keep(&rows, &held.into_iter().collect()),
                Err(error) => {
                    tracing::warn!("can't see whether held rows are free: {error}");
                    self.forget_unconfirmed();
                }
            }
            // Looking takes a fifth of the time at most, however many rows there are.
            tokio::time::sleep(LOOK_EVERY.max(started.elapsed() * 4)).await;
        }
    }

    /// Keeps those of the rows that the same transaction still holds.
    fn keep(&self, looked_at: &BTreeSet<Row>, held: &HashMap<Row, Option<Holder>>) {
        let now = Instant::now();
        let mut known = self.known();
        for row in looked_at {
            let Some(entry) = known.rows.get_mut(row) else {
                continue;
            };
            match held.get(row) {
                Some(by) if entry.by.is_none() || entry.by == *by => {
                    entry.by = *by;
                    entry.confirmed_at = now;
                }
                _ => {
                    known.rows.remove(row);
                }
            }
        }
        self.report_forgotten(known);
    }

    fn forget_unconfirmed(&self) {
        let mut known = self.known();
        known
            .rows
            .retain(|_, held| held.confirmed_at.elapsed() < UNCONFIRMED_MAX);
        self.report_forgotten(known);
    }

    fn report_forgotten(&self, mut known: MutexGuard<'_, Known>) {
        if known.rows.is_empty() {
            known.needs = HashMap::new();
        }
        self.0.metrics.held_rows.set(count(known.rows.len()));
        drop(known);
        self.0.forgotten.send_modify(|count| *count += 1);
    }
}
