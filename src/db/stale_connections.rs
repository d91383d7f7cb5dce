//! Which pooled connections are not used any more as they are, because another one of this process was
//! found to be wrong.
//!
//! A migration beside us makes prepared statements useless on every connection that knows the old
//! tables, and a server that falls silent does so on every connection: what one statement has found
//! out is true of all connections that are older.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::outages::POSTGRESQL;

/// What the process has found out; its connections all lead to one server.
static FOUND: LazyLock<Mutex<Found>> = LazyLock::new(Mutex::default);

/// Connections are replaced for the same reason no more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Found {
    plans_stale_at: Option<Instant>,
    silent_at: Option<Instant>,
}

impl Found {
    fn plans_are_stale(&mut self, now: Instant) {
        let recent = |at: Instant| now.duration_since(at) < AT_MOST_EVERY;
        if !self.plans_stale_at.is_some_and(recent) {
            self.plans_stale_at = Some(now);
        }
    }

    fn is_stale(&self, age: Duration, now: Instant) -> bool {
        self.plans_stale_at
            .is_some_and(|at| now.duration_since(at) < age)
    }

    fn is_suspect(&self, idle_for: Duration, now: Instant) -> bool {
        self.silent_at
            .is_some_and(|at| now.duration_since(at) < idle_for)
    }
}

fn found<T>(look: impl FnOnce(&mut Found) -> T) -> T {
    look(&mut FOUND.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A statement failed because its plan is of tables that have changed meanwhile.
pub(super) fn plans_are_stale() {
    found(|it| it.plans_are_stale(Instant::now()));
}

/// A statement was not answered in time: connections that have rested since then are asked whether they
/// still stand before they are used.
pub fn server_was_silent() {
    POSTGRESQL.suspect();
    found(|it| it.silent_at = Some(Instant::now()));
}

/// Whether a connection of this age must be closed instead of being used again.
pub(super) fn is_stale(age: Duration) -> bool {
    found(|it| it.is_stale(age, Instant::now()))
}

/// Whether a connection that has rested for so long must be asked whether it still stands.
pub(super) fn is_suspect(idle_for: Duration) -> bool {
    found(|it| it.is_suspect(idle_for, Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn connections_older_than_a_change_of_the_tables_are_closed_and_younger_ones_are_not() {
        let start = Instant::now();
        let mut found = Found::default();
        assert!(!found.is_stale(S * 100, start));

        found.plans_are_stale(start);

        assert!(found.is_stale(S * 5, start + S * 2));
        assert!(!found.is_stale(S, start + S * 2));
    }

    #[test]
    fn connections_are_not_replaced_all_the_time() {
        let start = Instant::now();
        let mut found = Found::default();
        found.plans_are_stale(start);
        found.plans_are_stale(start + S / 2);
        assert!(!found.is_stale(S / 4, start + S / 2), "it is young enough");
        found.plans_are_stale(start + S * 2);
        assert!(found.is_stale(S, start + S * 2));
    }

    #[test]
    fn connections_that_rested_through_a_silence_are_asked() {
        let start = Instant::now();
        let found = Found {
            silent_at: Some(start),
            ..Found::default()
        };
        assert!(found.is_suspect(S * 3, start + S * 2));
        assert!(!found.is_suspect(S, start + S * 2));
    }
}
