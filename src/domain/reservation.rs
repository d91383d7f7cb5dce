//! Reservations: who gets the last units.
//!
//! Demands on one product are merged, so that a hot row is written once per transaction. Only when
//! the sum does not fit are they served one by one, first come, first served; a line gets all it
//! asks for or nothing, and a smaller one behind it may still fit.

use std::collections::BTreeMap;

use super::ids::ProductId;

/// One line's demand. Its place in a list of demands is its place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// What.
    pub product_id: ProductId,
    /// How many; always positive.
    pub qty: i32,
}

/// What became of one line's demand (PF-079).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// The units moved from available to reserved.
    Reserved,
    /// There were too few; nothing moved.
    Insufficient {
        /// What was left when it was this line's turn.
        available_qty: i32,
    },
}

/// The merged demands, in ascending product id: the order in which rows are locked.
pub fn merge(demands: &[Demand]) -> BTreeMap<ProductId, i64> {
    let mut sums = BTreeMap::new();
    for demand in demands {
        *sums.entry(demand.product_id).or_insert(0) += i64::from(demand.qty);
    }
    sums
}

/// How the demands on products that are short come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// One outcome per demand, in the same order.
    pub outcomes: Vec<ReservationOutcome>,
    /// What is still to be reserved per short product; products that get nothing are left out.
    pub granted: BTreeMap<ProductId, i32>,
}

/// Serves the demands in their order. `short` has what is available of each product whose merged
/// demand did not fit; all other products have been reserved whole.
pub fn allocate(demands: &[Demand], short: &BTreeMap<ProductId, i32>) -> Allocation {
    let mut left = short.clone();
    let mut granted = BTreeMap::new();
    let outcomes = demands
        .iter()
        .map(|demand| match left.get_mut(&demand.product_id) {
            None => ReservationOutcome::Reserved,
            Some(available) if *available >= demand.qty => {
                *available -= demand.qty;
                *granted.entry(demand.product_id).or_insert(0) += demand.qty;
                ReservationOutcome::Reserved
            }
            Some(available) => ReservationOutcome::Insufficient {
                available_qty: *available,
            },
        })
        .collect();
    Allocation { outcomes, granted }
}

/// What will become of the demands if nobody else takes any of `available` first; a product that is
/// not in it has none. Always what [`allocate`] says of the same stock.
pub fn foresee(
    demands: &[Demand],
    available: &BTreeMap<ProductId, i32>,
) -> Vec<ReservationOutcome> {
    let short = merge(demands).into_iter().filter_map(|(product, sum)| {
        let left = available.get(&product).copied().unwrap_or(0);
        (i64::from(left) < sum).then_some((product, left))
    });
    allocate(demands, &short.collect()).outcomes
}
