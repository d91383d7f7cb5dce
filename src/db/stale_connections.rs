//! Decides which pooled connections must be closed, or pinged before use, because another connection of
//! this process failed.
//!
//! A migration makes prepared statements useless on every connection that knows the old tables, after
//! a failover every connection to the former primary is useless, and a server that falls silent does so on
//! every connection: a failure of one connection concerns all older ones.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::outages::POSTGRESQL;

/// The failures that this process has seen; all its connections lead to one server.
static FAILURES: LazyLock<Mutex<Failures>> = LazyLock::new(Mutex::default);

/// The shortest interval between two replacements of all connections.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Failures {
    stale_at: Option<Instant>,
    silent_at: Option<Instant>,
}

impl Failures {
    fn all_are_stale(&mut self, now: Instant) {
        let recent = |at: Instant| now.duration_since(at) < REPLACE_EVERY;
        if !self.stale_at.is_some_and(recent) {
            self.stale_at = Some(now);
        }
    }

    fn is_stale(&self, age: Duration, now: Instant) -> bool {
        self.stale_at.is_some_and(|at| now.duration_since(at) < age)
    }

    fn is_suspect(&self, idle_for: Duration, now: Instant) -> bool {
        self.silent_at
            .is_some_and(|at| now.duration_since(at) < idle_for)
    }
}

fn failures<T>(access: impl FnOnce(&mut Failures) -> T) -> T {
    access(&mut FAILURES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Records that a statement failed because its plan is of tables that have changed since.
pub(super) fn plans_are_stale() {
    failures(|failures| failures.all_are_stale(Instant::now()));
}

/// Records that another host is the primary now.
pub(super) fn the_server_is_another() {
    failures(|failures| failures.stale_at = Some(Instant::now()));
}

/// Records that a statement was not answered in time: connections that have been idle since are pinged
/// before they are used.
pub fn server_was_silent() {
    POSTGRESQL.suspect();
    failures(|failures| failures.silent_at = Some(Instant::now()));
}

/// True if a connection of this age must be closed instead of being used again.
pub(super) fn is_stale(age: Duration) -> bool {
    failures(|failures| failures.is_stale(age, Instant::now()))
}

/// True if a connection that was idle for this time must be pinged before it is used.
pub(super) fn is_suspect(idle_for: Duration) -> bool {
    failures(|failures| failures.is_suspect(idle_for, Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn connections_older_than_a_change_of_the_tables_are_closed_and_younger_ones_are_not() {
        let start = Instant::now();
        let mut failures = Failures::default();
        assert!(!failures.is_stale(S * 100, start));

        failures.all_are_stale(start);

        assert!(failures.is_stale(S * 5, start + S * 2));
        assert!(!failures.is_stale(S, start + S * 2));
    }

    #[test]
    fn connections_are_not_replaced_all_the_time() {
        let start = Instant::now();
        let mut failures = Failures::default();
        failures.all_are_stale(start);
        failures.all_are_stale(start + S / 2);
        assert!(
            !failures.is_stale(S / 4, start + S / 2),
            "it is young enough"
        );
        failures.all_are_stale(start + S * 2);
        assert!(failures.is_stale(S, start + S * 2));
    }

    #[test]
    fn connections_that_were_idle_during_a_silence_are_pinged() {
        let start = Instant::now();
        let failures = Failures {
            silent_at: Some(start),
            ..Failures::default()
        };
        assert!(failures.is_suspect(S * 3, start + S * 2));
        assert!(!failures.is_suspect(S, start + S * 2));
    }
}
