//! Optimistic concurrency control of stock: what a reservation will come to, computed from stock that was
//! read but not locked.
//!
//! A batch can be written before its stock is reserved, as long as it is known for which stock the result
//! is right. If there is enough of a product for all demands together, the result is right for any stock
//! that is enough. If there is not, the result depends on every unit, and is right for the stock that was
//! read and no other. Purchases of limited products are expected in the same way.

use std::collections::BTreeMap;

use super::{
    lock_order::StockKey,
    purchase_limit::{Bought, BuyerProduct, ExpectedPurchases, LimitReached},
    reservation::{Allocation, Bid, BidOutcomes, Demand, ReservationOutcome, allocate},
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
    /// The expected purchases of every product with a purchase limit, by buyer.
    pub purchases: BTreeMap<BuyerProduct, ExpectedPurchases>,
}

/// Allocates the stock that was read, and computes for which other stock and purchases the result would be
/// the same.
pub fn speculate(
    bids: &[Bid],
    available: &BTreeMap<StockKey, i32>,
    bought: &Bought,
) -> Speculation {
    let allocation = allocate(bids, available, bought);
    let wanted = wanted_in_all(bids, &allocation);
    let expected = wanted.into_iter().map(|(stock, demanded)| {
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
        purchases: expected_purchases(bids, &allocation, bought),
        allocation,
    }
}

/// The sum of all demands per product, which may be more than any single demand can be. What a purchase
/// limit denies is not wanted: no stock would change it.
fn wanted_in_all(bids: &[Bid], allocation: &Allocation) -> BTreeMap<StockKey, i64> {
    let mut sums = BTreeMap::new();
    for (demand, outcomes) in demands(bids, allocation) {
        let denied = demand
            .limit
            .and_then(|_| match outcomes[&demand.stock.product_id] {
                ReservationOutcome::LimitReached(limit)
                | ReservationOutcome::FilledToLimit(limit) => Some(limit),
                _ => None,
            });
        let wanted = denied.map_or(demand.qty, LimitReached::left_qty);
        *sums.entry(demand.stock).or_insert(0) += i64::from(wanted);
    }
    sums
}

/// If the limit leaves enough for all demands of a buyer together, the result is right for any purchases
/// that leave enough. If it does not, it is right for those that were read and no others.
fn expected_purchases(
    bids: &[Bid],
    allocation: &Allocation,
    bought: &Bought,
) -> BTreeMap<BuyerProduct, ExpectedPurchases> {
    let mut sums: BTreeMap<_, (_, i64, i64)> = BTreeMap::new();
    for (demand, outcomes) in demands(bids, allocation) {
        if let Some((pair, limit)) = demand.limited() {
            let outcome = outcomes[&demand.stock.product_id];
            let (_, demanded, granted) = sums.entry(pair).or_insert((limit, 0, 0));
            *demanded += i64::from(demand.qty);
            *granted += i64::from(demand.reserved_qty(outcome));
        }
    }
    let expected = sums.into_iter().map(|(pair, (limit, demanded, granted))| {
        let read = bought.get(&pair).copied().unwrap_or(0);
        let enough_up_to = i64::from(limit.qty) - demanded;
        let (least, most) = if read <= enough_up_to {
            (0, enough_up_to)
        } else {
            (read, read)
        };
        let expected = ExpectedPurchases {
            since: limit.since,
            bought_min: least + granted,
            bought_max: most + granted,
        };
        (pair, expected)
    });
    expected.collect()
}

/// All demands, with the outcomes of their bids.
fn demands<'a>(
    bids: &'a [Bid],
    allocation: &'a Allocation,
) -> impl Iterator<Item = (&'a Demand, &'a BidOutcomes)> {
    let bids = bids.iter().zip(&allocation.outcomes);
    bids.flat_map(|(bid, outcomes)| bid.demands.iter().map(move |demand| (demand, outcomes)))
}
