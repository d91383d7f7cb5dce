//! Carts that were held up, alone, by something that no look can find, such as another transaction's
//! uncommitted key. They are refused at once for a while, and each time for twice as long.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::domain::checkout::AskedCart;

use super::REMEMBERED_MAX;

/// The time for which a stuck cart is refused, at first and at most.
const STUCK_MIN: Duration = Duration::from_secs(2);
const STUCK_MAX: Duration = Duration::from_secs(8);

#[derive(Debug, Default)]
pub(super) struct StuckCarts(HashMap<AskedCart, Stuck>);

#[derive(Clone, Copy, Debug)]
struct Stuck {
    until: Instant,
    /// The time for which the cart was refused last.
    wait: Duration,
}

impl StuckCarts {
    /// Remembers a cart, and returns the time for which it is to be refused.
    pub(super) fn note(&mut self, cart: AskedCart) -> Duration {
        let now = Instant::now();
        self.0.retain(|_, stuck| now < stuck.until + STUCK_MAX);
        let wait = self
            .0
            .get(&cart)
            .map_or(STUCK_MIN, |stuck| (stuck.wait * 2).min(STUCK_MAX));
        if self.0.len() < REMEMBERED_MAX {
            let until = now + wait;
            self.0.insert(cart, Stuck { until, wait });
        }
        wait
    }

    /// The time for which a cart is still to be refused.
    pub(super) fn left(&self, cart: AskedCart) -> Option<Duration> {
        let until = self.0.get(&cart)?.until;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}
