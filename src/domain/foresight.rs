//! What a reservation will come to, foreseen from stock that was read but not locked.
//!
//! A batch can be written before its stock is reserved if it is known for which stock that is right.
//! Where there is enough for all that is asked of a product, any stock that still is enough will do.
//! Where there is not, who gets what depends on every unit, and only the very stock that was seen
//! will do.

use std::collections::BTreeMap;

use super::{
    lock_order::StockKey,
    reservation::{Allocation, Bid, allocate},
};

/// What is expected of one product's stock, and what is then to be reserved of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How many to reserve; 0 where nobody gets any, but the outcomes depend on what there is.
    pub qty: i32,
    /// The fewest available for which the allocation is right; never fewer than `qty`.
    pub available_min: i32,
    /// The most available for which it is.
    pub available_max: i32,
}

/// An allocation, and the stock for which it is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// What becomes of the bids.
    pub allocation: Allocation,
    /// Of every product that is asked for.
    pub expected: BTreeMap<StockKey, Expected>,
}

/// Allocates the stock that was seen, and says for which other stock the result would be the same.
pub fn foresee(bids: &[Bid], available: &BTreeMap<StockKey, i32>) -> Foreseen {
    let allocation = allocate(bids, available);
    let expected = asked_in_all(bids).into_iter().map(|(key, asked)| {
        let seen = available.get(&key).copied().unwrap_or(0);
        let (available_min, available_max) = match i32::try_from(asked) {
            Ok(asked) if asked <= seen => (asked, i32::MAX),
            _ => (seen, seen),
        };
        let expected = Expected {
            qty: allocation.granted.get(&key).copied().unwrap_or(0),
            available_min,
            available_max,
        };
        (key, expected)
    });
    Foreseen {
        expected: expected.collect(),
        allocation,
    }
}

/// The sum of all demands per product, which may be more than any single one can be.
fn asked_in_all(bids: &[Bid]) -> BTreeMap<StockKey, i64> {
    let mut sums = BTreeMap::new();
    for demand in bids.iter().flat_map(|bid| &bid.demands) {
        *sums.entry(demand.stock).or_insert(0) += i64::from(demand.qty);
    }
    sums
}
