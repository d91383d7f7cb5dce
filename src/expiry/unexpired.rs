//! Late orders that could not be expired: each is tried again after a pause of its own, which grows with
//! its failures, so that it holds up no other.
//!
//! Owns no I/O and no clock.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::domain::ids::OrderId;

/// The pause after a first failure; each further failure doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Shorter than the minute within which a late order expires.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The time for which an order holds the record of the walk, so that another instance, or this one after
/// a restart, finds it soon. One that fails for longer is left to the patrol: every restart would walk
/// from there.
const HOLDS_FOR: Duration = Duration::from_hours(1);

/// The orders that are to be tried again.
#[derive(Debug, Default)]
pub(super) struct Unexpired {
    orders: BTreeMap<OrderId, Retry>,
}

#[derive(Debug)]
struct Retry {
    failures: u32,
    since: Instant,
    due_at: Instant,
}

impl Unexpired {
    /// Adds orders, or counts one more failure of them.
    pub fn add(&mut self, ids: &[OrderId], now: Instant) {
        for id in ids {
            let retry = self.orders.entry(*id).or_insert(Retry {
                failures: 0,
                since: now,
                due_at: now,
            });
            let pause = PAUSE_MIN * 2_u32.pow(retry.failures.min(16));
            retry.due_at = now + pause.min(PAUSE_MAX);
            retry.failures += 1;
        }
    }

    pub fn remove(&mut self, id: OrderId) {
        self.orders.remove(&id);
    }

    pub fn has(&self, id: OrderId) -> bool {
        self.orders.contains_key(&id)
    }

    /// Forgets those that have failed most often, down to `most` orders.
    pub fn shrink_to(&mut self, most: usize) {
        let Some(too_many) = self.orders.len().checked_sub(most) else {
            return;
        };
        let orders = self.orders.iter();
        let mut worst: Vec<_> = orders.map(|(id, retry)| (retry.failures, *id)).collect();
        worst.sort_unstable_by(|one, other| other.cmp(one));
        for (_, id) in worst.into_iter().take(too_many) {
            self.orders.remove(&id);
        }
    }

    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// The orders that are to be tried again now, those that have waited the longest first.
    pub fn due(&self, now: Instant, max: usize) -> Vec<OrderId> {
        let due = self.orders.iter().filter(|(_, retry)| retry.due_at <= now);
        let mut due: Vec<_> = due.map(|(id, retry)| (retry.due_at, *id)).collect();
        due.sort_unstable();
        due.into_iter().take(max).map(|(_, id)| id).collect()
    }

    /// The pause until an order is to be tried again.
    pub fn pause(&self, now: Instant) -> Duration {
        let first = self.orders.values().map(|retry| retry.due_at).min();
        first.map_or(Duration::MAX, |at| at.saturating_duration_since(now))
    }

    /// The first order that the record of the walk must not pass.
    pub fn first_that_holds(&self, now: Instant) -> Option<OrderId> {
        let holds = |retry: &Retry| now.saturating_duration_since(retry.since) < HOLDS_FOR;
        let mut orders = self.orders.iter();
        orders.find(|(_, retry)| holds(retry)).map(|(id, _)| *id)
    }

    /// The time since the first failure of the order that has failed for the longest.
    pub fn longest_wait(&self, now: Instant) -> Duration {
        let first = self.orders.values().map(|retry| retry.since).min();
        first.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> OrderId {
        OrderId::new(Uuid::from_u128(number))
    }

    #[test]
    fn those_that_fail_most_often_are_forgotten_first() {
        let mut unexpired = Unexpired::default();
        let now = Instant::now();
        unexpired.add(&[id(1), id(2), id(3)], now);
        unexpired.add(&[id(2)], now);
        unexpired.shrink_to(2);
        assert!(unexpired.has(id(1)) && unexpired.has(id(3)) && !unexpired.has(id(2)));
        unexpired.shrink_to(2);
        assert_eq!(unexpired.len(), 2);
    }

    #[test]
    fn an_order_that_fails_again_and_again_is_tried_at_least_twice_a_minute() {
        let mut unexpired = Unexpired::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            unexpired.add(&[id(1)], now);
            let pause = unexpired.pause(now);
            assert!(unexpired.due(now, 9).is_empty());
            now += pause;
            assert_eq!(unexpired.due(now, 9), [id(1)]);
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses[..6], [1, 2, 4, 8, 16, 30]);
        assert_eq!(pauses[19], 30);
    }

    #[test]
    fn those_that_have_waited_the_longest_are_tried_first() {
        let mut unexpired = Unexpired::default();
        let now = Instant::now();
        unexpired.add(&[id(3), id(2)], now);
        unexpired.add(&[id(1)], now + PAUSE_MIN / 2);
        let later = now + 2 * PAUSE_MIN;
        assert_eq!(unexpired.due(later, 2), [id(2), id(3)]);
        unexpired.remove(id(2));
        assert_eq!(unexpired.due(later, 2), [id(3), id(1)]);
    }

    #[test]
    fn the_record_of_the_walk_is_held_by_an_order_for_an_hour() {
        let mut unexpired = Unexpired::default();
        let now = Instant::now();
        unexpired.add(&[id(5)], now);
        unexpired.add(&[id(7)], now + HOLDS_FOR / 2);
        assert_eq!(unexpired.first_that_holds(now), Some(id(5)));
        let later = now + HOLDS_FOR;
        assert_eq!(unexpired.first_that_holds(later), Some(id(7)));
        assert_eq!(unexpired.first_that_holds(later + HOLDS_FOR), None);
        assert_eq!(unexpired.longest_wait(later), HOLDS_FOR);
    }
}
