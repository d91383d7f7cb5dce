//! The wait that a client is asked for before it tries again.

use std::{
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

/// A wait, spread so that clients that are refused together do not come back together.
#[derive(Clone, Copy, Debug)]
pub struct RetryAfter {
    pub least: Duration,
    /// The longest addition to `least`.
    pub spread: Duration,
}

impl RetryAfter {
    /// The wait in whole seconds (RFC 9110, 10.2.3), at least one. It depends on the request's id, which is
    /// random: requests differ in their waits, and the same request always gets the same.
    pub fn seconds(self, request_id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(request_id.as_bytes());
        let place = hasher.finish() as f64 / u64::MAX as f64;
        let wait = self.least + self.spread.mul_f64(place);
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        whole.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_TO_FOUR: RetryAfter = RetryAfter {
        least: Duration::from_secs(1),
        spread: Duration::from_secs(3),
    };

    #[test]
    fn a_refused_crowd_is_asked_to_come_back_at_different_times() {
        let mut waits = [0; 6];
        for request in 0..3000 {
            let id = format!("01a20b80-81e5-7281-86b1-{request:012x}");
            waits[usize::try_from(ONE_TO_FOUR.seconds(&id)).unwrap()] += 1;
        }
        let [_, one, two, three, four, _] = waits;
        assert_eq!(one + two + three + four, 3000, "{waits:?}");
        for share in [two, three, four] {
            assert!((900..1100).contains(&share), "{waits:?}");
        }
    }

    #[test]
    fn a_request_always_gets_the_same_wait() {
        assert_eq!(ONE_TO_FOUR.seconds("a"), ONE_TO_FOUR.seconds("a"));
    }

    #[test]
    fn no_client_is_asked_to_come_back_at_once() {
        let none = RetryAfter {
            least: Duration::ZERO,
            spread: Duration::ZERO,
        };
        assert_eq!(none.seconds("a"), 1);
    }
}
