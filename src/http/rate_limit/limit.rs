//! One limit: so many requests a second, and so many at once after a rest (GCRA).

use std::{fmt::Write, hash::Hash, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

/// A limit of each key for itself.
pub struct Limit<K: Hash + Eq + Clone> {
    pub name: &'static str,
    per_s: NonZeroU32,
    burst: NonZeroU32,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

/// The rest of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    requests: u32,
    /// The seconds until the limit is whole again.
    reset_s: u32,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    pub fn new(name: &'static str, per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_s).allow_burst(burst);
        Self {
            name,
            per_s,
            burst,
            limiter: RateLimiter::dashmap(quota).with_middleware(),
        }
    }

    /// Takes one request. `Err` is the wait after one too many.
    pub fn take(&self, key: &K) -> (Left, Result<(), Duration>) {
        let (requests, taken) = match self.limiter.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), Ok(())),
            Err(not_yet) => {
                let wait = not_yet.wait_time_from(self.limiter.clock().now());
                (0, Err(wait))
            }
        };
        let used = self.burst.get().saturating_sub(requests);
        let reset_s = used.div_ceil(self.per_s.get());
        (Left { requests, reset_s }, taken)
    }

    /// The limit as `RateLimit-Policy` writes it.
    pub fn policy(&self) -> String {
        let window_s = self.burst.get().div_ceil(self.per_s.get());
        format!("\"{}\";q={};w={window_s}", self.name, self.burst)
    }

    /// Writes the rest as `RateLimit` does.
    pub fn write(&self, left: Left, out: &mut String) {
        let Left { requests, reset_s } = left;
        write!(out, "\"{}\";r={requests};t={reset_s}", self.name)
            .expect("writing to a string can't fail");
    }

    /// Forgets the keys that have their whole limit left.
    pub fn forget_the_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for Limit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit")
            .field("name", &self.name)
            .field("per_s", &self.per_s)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_s: u32, burst: u32) -> Limit<u8> {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limit::new("test", number(per_s), number(burst))
    }

    #[test]
    fn a_burst_is_taken_and_one_more_is_not() {
        let limit = limit(1, 3);
        for left in [2, 1, 0] {
            let (rest, taken) = limit.take(&7);
            assert_eq!((rest.requests, rest.reset_s), (left, 3 - left));
            assert!(taken.is_ok());
        }
        let (rest, taken) = limit.take(&7);
        assert_eq!((rest.requests, rest.reset_s), (0, 3));
        let wait = taken.unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        assert!(
            limit.take(&8).1.is_ok(),
            "another key has a limit of its own"
        );
    }

    #[test]
    fn policy_and_rest_are_structured_fields() {
        let limit = limit(50, 201);
        assert_eq!(limit.policy(), "\"test\";q=201;w=5");
        let mut text = String::new();
        limit.write(limit.take(&1).0, &mut text);
        assert_eq!(text, "\"test\";r=200;t=1");
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let limit = limit(1_000_000, 1);
        assert!(limit.take(&7).1.is_ok());
        let give_up = std::time::Instant::now() + Duration::from_secs(10);
        while !limit.limiter.is_empty() {
            assert!(std::time::Instant::now() < give_up);
            limit.forget_the_idle();
        }
    }
}
