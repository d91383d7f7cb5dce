//! Who gets the last units.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::support::product_id;
use crate::domain::{
    ids::ProductId,
    reservation::{
        Demand,
        ReservationOutcome::{self, Insufficient, Reserved},
        allocate, foresee, merge,
    },
};

fn demand(product: u32, qty: i32) -> Demand {
    Demand {
        product_id: product_id(product),
        qty,
    }
}

fn short(stock: &[(u32, i32)]) -> BTreeMap<ProductId, i32> {
    stock
        .iter()
        .map(|(product, available)| (product_id(*product), *available))
        .collect()
}

#[test]
fn demands_on_one_product_are_merged_and_products_ascend() {
    let merged = merge(&[demand(2, 3), demand(1, 4), demand(2, 5)]);
    assert_eq!(
        merged.into_iter().collect::<Vec<_>>(),
        [(product_id(1), 4), (product_id(2), 8)]
    );
}

#[test]
fn merged_demands_may_be_more_than_any_single_one_can_be() {
    let merged = merge(&[demand(1, i32::MAX), demand(1, i32::MAX)]);
    assert_eq!(merged[&product_id(1)], 2 * i64::from(i32::MAX));
}

/// PF-079: a result per line.
#[test]
fn a_shortage_is_served_first_come_first_served_and_says_what_was_left() {
    let demands = [demand(1, 4), demand(1, 5), demand(1, 6), demand(2, 99)];
    let allocation = allocate(&demands, &short(&[(1, 8)]));
    assert_eq!(
        allocation.outcomes,
        [
            Reserved,
            Insufficient { available_qty: 4 },
            Insufficient { available_qty: 4 },
            Reserved,
        ]
    );
    assert_eq!(allocation.granted, short(&[(1, 4)]));
}

#[test]
fn a_smaller_demand_behind_one_that_did_not_fit_may_still_fit() {
    let allocation = allocate(&[demand(1, 9), demand(1, 8)], &short(&[(1, 8)]));
    assert_eq!(
        allocation.outcomes,
        [Insufficient { available_qty: 8 }, Reserved]
    );
    assert_eq!(allocation.granted, short(&[(1, 8)]));
}

/// PF-079: never negative, and nothing for a line that can't have all it asks for.
#[test]
fn the_very_last_unit_is_given_and_not_one_more() {
    let allocation = allocate(&[demand(1, 1), demand(1, 1)], &short(&[(1, 1)]));
    assert_eq!(
        allocation.outcomes,
        [Reserved, Insufficient { available_qty: 0 }]
    );
    assert_eq!(allocation.granted, short(&[(1, 1)]));
}

#[test]
fn a_product_without_stock_is_granted_to_nobody() {
    let allocation = allocate(&[demand(1, 1)], &short(&[(1, 0)]));
    assert_eq!(allocation.outcomes, [Insufficient { available_qty: 0 }]);
    assert_eq!(allocation.granted, BTreeMap::new());
}

#[test]
fn no_demands_get_no_outcomes() {
    let allocation = allocate(&[], &short(&[(1, 5)]));
    assert_eq!(allocation.outcomes, []);
    assert_eq!(allocation.granted, BTreeMap::new());
}

#[test]
fn what_is_foreseen_of_a_product_without_stock_is_nothing() {
    let foreseen = foresee(&[demand(1, 1), demand(2, 1)], &short(&[(2, 1)]));
    assert_eq!(foreseen, [Insufficient { available_qty: 0 }, Reserved]);
}

/// The two steps by which stock is really reserved: whole where the merged demand fits, and one by
/// one where it does not.
fn reserve(demands: &[Demand], stock: &BTreeMap<ProductId, i32>) -> Vec<ReservationOutcome> {
    let mut short = BTreeMap::new();
    for (product, sum) in merge(demands) {
        match stock.get(&product) {
            Some(available) if i64::from(*available) >= sum => {}
            available => drop(short.insert(product, available.copied().unwrap_or(0))),
        }
    }
    allocate(demands, &short).outcomes
}

fn demands() -> impl Strategy<Value = Vec<Demand>> {
    let one = (1..=4_u32, 1..=20_i32).prop_map(|(product, qty)| demand(product, qty));
    proptest::collection::vec(one, 0..40)
}

fn stock() -> impl Strategy<Value = BTreeMap<ProductId, i32>> {
    proptest::collection::btree_map((1..=4_u32).prop_map(product_id), 0..=120_i32, 0..=4)
}

/// The units that the outcomes say were reserved of a product.
fn reserved(demands: &[Demand], outcomes: &[ReservationOutcome], of: ProductId) -> i32 {
    demands
        .iter()
        .zip(outcomes)
        .filter(|(demand, outcome)| demand.product_id == of && **outcome == Reserved)
        .map(|(demand, _)| demand.qty)
        .sum()
}

proptest! {
    #[test]
    fn what_is_granted_is_what_was_reserved_and_never_exceeds_the_stock(
        demands in demands(),
        short in stock(),
    ) {
        let allocation = allocate(&demands, &short);
        prop_assert_eq!(allocation.outcomes.len(), demands.len());
        for (product, available) in &short {
            let taken = reserved(&demands, &allocation.outcomes, *product);
            let granted = allocation.granted.get(product).copied();
            prop_assert_eq!(granted.unwrap_or(0), taken);
            prop_assert!(granted != Some(0), "a product that gets nothing is left out");
            prop_assert!(taken <= *available);
        }
        prop_assert!(allocation.granted.keys().all(|product| short.contains_key(product)));
    }

    #[test]
    fn a_demand_is_met_exactly_when_it_fits_at_its_turn(
        demands in demands(),
        short in stock(),
    ) {
        let outcomes = allocate(&demands, &short).outcomes;
        for (turn, demand) in demands.iter().enumerate() {
            let Some(available) = short.get(&demand.product_id) else {
                prop_assert_eq!(outcomes[turn], Reserved);
                continue;
            };
            // Granted before plus left now is what was available: nothing is lost or made.
            let left = available - reserved(&demands[..turn], &outcomes[..turn], demand.product_id);
            if demand.qty <= left {
                prop_assert_eq!(outcomes[turn], Reserved);
            } else {
                prop_assert_eq!(outcomes[turn], Insufficient { available_qty: left });
            }
        }
    }

    #[test]
    fn nobody_depends_on_those_behind(
        (demands, turn) in demands().prop_flat_map(|it| { let all = it.len(); (Just(it), 0..=all) }),
        short in stock(),
    ) {
        let alone = allocate(&demands[..turn], &short);
        prop_assert_eq!(&alone.outcomes[..], &allocate(&demands, &short).outcomes[..turn]);
    }

    #[test]
    fn products_do_not_disturb_each_other(demands in demands(), short in stock()) {
        let together = allocate(&demands, &short).outcomes;
        for number in 1..=4 {
            let of = product_id(number);
            let own: Vec<_> =
                demands.iter().copied().filter(|demand| demand.product_id == of).collect();
            let expected: Vec<_> = demands
                .iter()
                .zip(&together)
                .filter(|(demand, _)| demand.product_id == of)
                .map(|(_, outcome)| *outcome)
                .collect();
            prop_assert_eq!(allocate(&own, &short).outcomes, expected);
        }
    }

    #[test]
    fn merging_is_the_naive_sum_per_product(demands in demands()) {
        let merged = merge(&demands);
        for number in 1..=4 {
            let of = product_id(number);
            let mut sum = 0;
            for demand in &demands {
                if demand.product_id == of {
                    sum += i64::from(demand.qty);
                }
            }
            prop_assert_eq!(merged.get(&of).copied().unwrap_or(0), sum);
        }
        prop_assert_eq!(merged.values().filter(|sum| **sum == 0).count(), 0);
    }

    #[test]
    fn what_fits_merged_fits_one_by_one(demands in demands()) {
        let enough: BTreeMap<_, _> = merge(&demands)
            .into_iter()
            .map(|(product, sum)| (product, i32::try_from(sum).unwrap()))
            .collect();
        let allocation = allocate(&demands, &enough);
        prop_assert!(allocation.outcomes.iter().all(|outcome| *outcome == Reserved));
        prop_assert_eq!(allocation.granted, enough);
    }
    #[test]
    fn what_is_foreseen_is_what_is_reserved_of_the_same_stock(
        demands in demands(),
        stock in stock(),
    ) {
        prop_assert_eq!(foresee(&demands, &stock), reserve(&demands, &stock));
    }

    /// Merging is for speed: who gets what is first come, first served.
    #[test]
    fn what_is_foreseen_is_what_serving_one_by_one_gives(
        demands in demands(),
        stock in stock(),
    ) {
        let mut left = stock.clone();
        for (demand, foreseen) in demands.iter().zip(foresee(&demands, &stock)) {
            let left = left.entry(demand.product_id).or_insert(0);
            let fits = demand.qty <= *left;
            let expected = if fits { Reserved } else { Insufficient { available_qty: *left } };
            *left -= if fits { demand.qty } else { 0 };
            prop_assert_eq!(foreseen, expected);
        }
    }
}
