//! A limit that is checked before and used up afterwards, by failures only (GCRA, one time per key). The
//! library's limiters take when they are checked.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use dashmap::DashMap;

/// The debts of all keys.
#[derive(Debug)]
pub struct Debts<K: Hash + Eq> {
    /// The time for which one failure is remembered.
    each: Duration,
    /// The debt up to which a key is not refused.
    most: Duration,
    /// The time at which each key owes nothing.
    until: DashMap<K, Instant>,
}

impl<K: Hash + Eq> Debts<K> {
    /// One is given back after `each`; `burst` may be owed.
    pub fn new(each: Duration, burst: u32) -> Self {
        Self {
            each,
            most: each * burst,
            until: DashMap::new(),
        }
    }

    /// `Err` is the wait, if too much is owed.
    pub fn ask(&self, key: &K) -> Result<(), Duration> {
        let Some(until) = self.until.get(key).map(|until| *until) else {
            return Ok(());
        };
        let owed = until.saturating_duration_since(Instant::now());
        match owed.checked_sub(self.most) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// Adds to the debt, unless it is too large already.
    pub fn pay(&self, key: K, count: u32) {
        if self.ask(&key).is_err() {
            return;
        }
        let now = Instant::now();
        let mut until = self.until.entry(key).or_insert(now);
        *until = (*until).max(now) + self.each * count;
    }

    /// Forgets the keys that owe nothing.
    pub fn forget_the_idle(&self) {
        let now = Instant::now();
        self.until.retain(|_, until| *until > now);
        self.until.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn asking_costs_nothing_and_a_burst_may_be_owed() {
        let debts = Debts::new(HOUR, 3);
        for _ in 0..100 {
            assert_eq!(debts.ask(&1), Ok(()));
        }
        for _ in 0..3 {
            debts.pay(1, 1);
            assert_eq!(debts.ask(&1), Ok(()));
        }
        debts.pay(1, 1);
        let wait = debts.ask(&1).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= HOUR, "{wait:?}");
        assert_eq!(debts.ask(&2), Ok(()), "another owes nothing");
    }

    #[test]
    fn who_owes_too_much_owes_no_more_by_trying() {
        let debts = Debts::new(HOUR, 3);
        for _ in 0..1_000 {
            debts.pay(1, 5);
        }
        let wait = debts.ask(&1).unwrap_err();
        assert!(wait <= 5 * HOUR, "{wait:?}");
    }

    #[test]
    fn who_owes_nothing_any_more_is_forgotten() {
        let debts = Debts::new(Duration::from_nanos(1), 1);
        debts.pay(1, 1);
        let give_up = Instant::now() + Duration::from_secs(10);
        while !debts.until.is_empty() {
            assert!(Instant::now() < give_up);
            debts.forget_the_idle();
        }
    }
}
