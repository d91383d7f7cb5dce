//! Optimistic concurrency control of stock: what a reservation will come to, computed from stock that was
//! read but not locked.
//!
//! A batch can be written before its stock is reserved, as long as it is known for which stock the result
//! is right. If there is enough of a product for all demands together, the result is right for any stock
//! that is enough. If there is not, the result depends on every unit, and is right for the stock that was
//! read and no other.

use std::collections::BTreeMap;

use super::{
    lock_order::StockKey,
    reservation::{Allocation, Bid, allocate},
};

/// The stock of one product for which a speculation is right, and how much of it is then reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedStock {
    /// Units to reserve. 0 if no line gets any, but the outcomes depend on the stock.
    pub qty: i32,
    /// The least available stock for which the allocation is right; at least `qty`.
    pub available_min: i32,
    /// The greatest available stock for which it is right.
    pub available_max: i32,
}

/// An allocation of stock that is not locked, and the stock for which it is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speculation {
    /// The allocation, if the stock is as expected.
    pub allocation: Allocation,
    /// The expected stock of every product that is asked for.
    pub expected: BTreeMap<StockKey, ExpectedStock>,
}

/// Allocates the stock that was read, and computes for which other stock the result would be the same.
pub fn speculate(bids: &[Bid], available: &BTreeMap<StockKey, i32>) -> Speculation {
    let allocation = allocate(bids, available);
    let expected = demanded_in_all(bids).into_iter().map(|(stock, demanded)| {
        let read = available.get(&stock).copied().unwrap_or(0);
        let (available_min, available_max) = match i32::try_from(demanded) {
            Ok(demanded) if demanded <= read => (demanded, i32::MAX),
            _ => (read, read),
        };
        let expected = ExpectedStock {
            qty: allocation.granted.get(&stock).copied().unwrap_or(0),
            available_min,
            available_max,
        };
        (stock, expected)
    });
    Speculation {
        expected: expected.collect(),
        allocation,
    }
}

/// The sum of all demands per product, which may be more than any single demand can be.
fn demanded_in_all(bids: &[Bid]) -> BTreeMap<StockKey, i64> {
    let mut sums = BTreeMap::new();
    for demand in bids.iter().flat_map(|bid| &bid.demands) {
        *sums.entry(demand.stock).or_insert(0) += i64::from(demand.qty);
    }
    sums
}
