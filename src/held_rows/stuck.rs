//! Carts that were held up, alone, by something that no look can find, such as another transaction's
//! uncommitted key. They are refused at once for a while, and each time for twice as long. When they come
//! back after that, what held them up may still be there, so they are tried apart from the others.

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

    /// True if a cart was refused so recently that it may still be stuck.
    pub(super) fn may_be(&self, cart: AskedCart) -> bool {
        let stuck = self.0.get(&cart);
        stuck.is_some_and(|stuck| Instant::now() < stuck.until + STUCK_MAX)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use crate::domain::ids::{CartId, StoreId};

    use super::*;

    fn cart() -> AskedCart {
        AskedCart {
            id: CartId::new(Uuid::now_v7()),
            store_id: StoreId::new(Uuid::now_v7()),
        }
    }

    #[test]
    fn a_stuck_cart_is_refused_for_twice_as_long_each_time() {
        let (mut carts, cart) = (StuckCarts::default(), cart());
        let waits = [0; 4].map(|_| carts.note(cart).as_secs());
        assert_eq!(waits, [2, 4, 8, 8]);
    }

    #[test]
    fn a_cart_may_still_be_stuck_when_it_is_not_refused_any_more_but_not_forever() {
        let (mut carts, cart) = (StuckCarts::default(), cart());
        assert!(!carts.may_be(cart));
        carts.note(cart);
        assert!(carts.left(cart).is_some() && carts.may_be(cart));
        let ended_ago = |ago| Stuck {
            until: Instant::now().checked_sub(ago).expect("the machine is up"),
            wait: STUCK_MIN,
        };
        carts.0.insert(cart, ended_ago(Duration::from_millis(1)));
        assert!(carts.left(cart).is_none() && carts.may_be(cart));
        carts.0.insert(cart, ended_ago(STUCK_MAX));
        assert!(!carts.may_be(cart));
    }
}
