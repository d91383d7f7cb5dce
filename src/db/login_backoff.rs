//! Exponential backoff of failing logins: a server that refuses logins must not be asked a thousand
//! times a second, by every request again.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::outages::POSTGRESQL;

/// Shared by all pools of the process, which log in at one server in the same way.
static LOGINS: LazyLock<Mutex<Logins>> = LazyLock::new(Mutex::default);

/// The pause after a first failure; each further failure doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Logins {
    /// `None` while logins succeed.
    failing: Option<Failing>,
    succeeded_at: Option<Instant>,
}

#[derive(Debug)]
struct Failing {
    reason: String,
    pause: Duration,
    /// The time at which the pause began.
    since: Instant,
    next_at: Instant,
}

impl Logins {
    /// Allows a login, or returns the reason of the last failure. While logins fail one is allowed after
    /// each pause.
    fn may_try(&mut self, now: Instant) -> Result<(), &str> {
        match &mut self.failing {
            None => Ok(()),
            Some(failing) if now >= failing.next_at => {
                failing.next_at = now + failing.pause;
                Ok(())
            }
            Some(failing) => Err(&failing.reason),
        }
    }

    fn failed(&mut self, reason: String, began: Instant, now: Instant) {
        if self.succeeded_at.is_some_and(|at| at >= began) {
            // The failed login began before one that succeeded, so it says nothing about the present.
            return;
        }
        let (pause, since) = match &self.failing {
            None => (PAUSE_MIN, now),
            // Of logins that failed together only the first counts.
            Some(failing) if now < failing.since + failing.pause => (failing.pause, failing.since),
            Some(failing) => ((failing.pause * 2).min(PAUSE_MAX), now),
        };
        self.failing = Some(Failing {
            reason,
            pause,
            since,
            next_at: now + pause,
        });
    }

    fn succeeded(&mut self, now: Instant) {
        self.failing = None;
        self.succeeded_at = Some(now);
    }
}

fn logins<T>(access: impl FnOnce(&mut Logins) -> T) -> T {
    access(&mut LOGINS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Allows a login now, or returns the reason of the last failure.
pub(super) fn may_try() -> Result<(), String> {
    logins(|logins| logins.may_try(Instant::now()).map_err(str::to_owned))
}

/// True if the last login failed.
pub(super) fn are_failing() -> bool {
    logins(|logins| logins.failing.is_some())
}

/// Records that a login failed which began at this time.
pub(super) fn failed(reason: String, began: Instant) {
    POSTGRESQL.suspect();
    logins(|logins| logins.failed(reason, began, Instant::now()));
}

/// Records that a login succeeded, which ends the pause.
pub(super) fn succeeded() {
    logins(|logins| logins.succeeded(Instant::now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_logins_are_tried_ever_more_rarely_and_one_at_a_time() {
        let mut logins = Logins::default();
        let mut now = Instant::now();
        let end = now + Duration::from_secs(10);
        let mut tried = 0;
        while now < end {
            if logins.may_try(now).is_ok() {
                tried += 1;
                logins.failed("no".to_owned(), now, now);
            }
            assert_eq!(logins.may_try(now), Err("no"));
            now += Duration::from_millis(1);
        }
        // At 0, 50, 150, 350, 750 ms, then two a second.
        assert!((20..=25).contains(&tried), "{tried}");
    }

    #[test]
    fn after_a_success_nothing_pauses() {
        let mut logins = Logins::default();
        let now = Instant::now();
        logins.failed("no".to_owned(), now, now);
        assert!(logins.may_try(now).is_err());
        logins.succeeded(now);
        assert!(logins.may_try(now).is_ok() && logins.may_try(now).is_ok());
    }

    #[test]
    fn a_failure_that_began_before_a_success_pauses_nothing() {
        let mut logins = Logins::default();
        let began = Instant::now();
        let succeeded = began + Duration::from_millis(100);
        logins.succeeded(succeeded);
        logins.failed("no".to_owned(), began, began + Duration::from_millis(300));
        assert!(logins.may_try(began + Duration::from_millis(300)).is_ok());

        let later = succeeded + Duration::from_millis(1);
        logins.failed("no".to_owned(), later, later);
        assert!(logins.may_try(later).is_err());
    }

    #[test]
    fn a_crowd_that_fails_together_counts_once() {
        let mut logins = Logins::default();
        let now = Instant::now();
        for _ in 0..100 {
            logins.failed("no".to_owned(), now, now);
        }
        let pause = logins.failing.unwrap().pause;
        assert_eq!(pause, PAUSE_MIN);
    }
}
