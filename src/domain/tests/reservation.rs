//! Reservations: bids and the last units.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::support::{product_id, vendor_id};
use crate::domain::{
    lock_order::StockKey,
    optimistic::{self, ExpectedStock, Speculation},
    purchase_limit::Bought,
    reservation::{
        self, Allocation, Bid, Demand,
        ReservationOutcome::{self, Filled, Insufficient, Reserved, Withheld},
    },
    shortage_policy::ShortagePolicy::{self, AllOrNothing, Fill, RejectLine, RejectVendor},
};

/// No product here has a purchase limit.
fn allocate(bids: &[Bid], available: &BTreeMap<StockKey, i32>) -> Allocation {
    reservation::allocate(bids, available, &Bought::new())
}

fn speculate(bids: &[Bid], available: &BTreeMap<StockKey, i32>) -> Speculation {
    optimistic::speculate(bids, available, &Bought::new())
}

/// Odd products are vendor 1's, even ones vendor 2's.
fn vendor_of(product: u32) -> u32 {
    2 - product % 2
}

fn key(product: u32) -> StockKey {
    StockKey {
        vendor_store_id: vendor_id(vendor_of(product)),
        product_id: product_id(product),
    }
}

fn demand(product: u32, qty: i32) -> Demand {
    Demand {
        stock: key(product),
        qty,
        qty_min: qty,
        limit: None,
    }
}

fn bid(policy: ShortagePolicy, wanted: &[(u32, i32)]) -> Bid {
    let demands = wanted.iter().map(|(product, qty)| Demand {
        qty_min: if policy == Fill { 1 } else { *qty },
        ..demand(*product, *qty)
    });
    Bid {
        policy,
        demands: demands.collect(),
        is_complete: true,
    }
}

/// Bids of one line each.
fn lines(wanted: &[(u32, i32)]) -> Vec<Bid> {
    wanted
        .iter()
        .map(|line| bid(RejectLine, &[*line]))
        .collect()
}

fn stock(figures: &[(u32, i32)]) -> BTreeMap<StockKey, i32> {
    let figures = figures.iter();
    figures
        .map(|(product, figure)| (key(*product), *figure))
        .collect()
}

#[test]
fn stock_is_locked_by_vendor_and_then_by_product() {
    let locked: Vec<_> = stock(&[(1, 0), (2, 0), (3, 0), (4, 0)])
        .into_keys()
        .collect();
    assert_eq!(locked, [key(1), key(3), key(2), key(4)]);
}

/// The outcomes of a bid, in the order of its demands.
fn outcomes(allocation: &Allocation, bids: &[Bid], nr: usize) -> Vec<ReservationOutcome> {
    let demands = bids[nr].demands.iter();
    demands
        .map(|demand| allocation.outcomes[nr][&demand.stock.product_id])
        .collect()
}

/// The outcomes of bids of one line each.
fn of_lines(allocation: &Allocation) -> Vec<ReservationOutcome> {
    let all = allocation.outcomes.iter();
    all.flat_map(|outcomes| outcomes.values().copied())
        .collect()
}

/// PF-079: a result per line.
#[test]
fn a_shortage_is_served_first_come_first_served_and_says_what_was_left() {
    let allocation = allocate(
        &lines(&[(1, 4), (1, 5), (1, 6), (2, 99)]),
        &stock(&[(1, 8), (2, 99)]),
    );
    assert_eq!(
        of_lines(&allocation),
        [
            Reserved,
            Insufficient { available_qty: 4 },
            Insufficient { available_qty: 4 },
            Reserved,
        ]
    );
    assert_eq!(allocation.granted, stock(&[(1, 4), (2, 99)]));
}

#[test]
fn a_smaller_demand_behind_one_that_did_not_fit_may_still_fit() {
    let allocation = allocate(&lines(&[(1, 9), (1, 8)]), &stock(&[(1, 8)]));
    assert_eq!(
        of_lines(&allocation),
        [Insufficient { available_qty: 8 }, Reserved]
    );
    assert_eq!(allocation.granted, stock(&[(1, 8)]));
}

/// PF-079: never negative, and nothing for a line that can't have all it asks for.
#[test]
fn the_very_last_unit_is_given_and_not_one_more() {
    let allocation = allocate(&lines(&[(1, 1), (1, 1)]), &stock(&[(1, 1)]));
    assert_eq!(
        of_lines(&allocation),
        [Reserved, Insufficient { available_qty: 0 }]
    );
    assert_eq!(allocation.granted, stock(&[(1, 1)]));
}

#[test]
fn a_product_without_stock_is_granted_to_nobody() {
    for available in [stock(&[(1, 0)]), stock(&[])] {
        let allocation = allocate(&lines(&[(1, 1)]), &available);
        assert_eq!(of_lines(&allocation), [Insufficient { available_qty: 0 }]);
        assert_eq!(allocation.granted, stock(&[]));
    }
}

#[test]
fn no_bids_get_no_outcomes() {
    let allocation = allocate(&[], &stock(&[(1, 5)]));
    assert_eq!(allocation.outcomes, []);
    assert_eq!(allocation.granted, stock(&[]));
}

#[test]
fn a_fill_takes_what_there_is_and_leaves_nothing() {
    let bids = [bid(Fill, &[(1, 9), (3, 2)]), bid(Fill, &[(1, 1)])];
    let allocation = allocate(&bids, &stock(&[(1, 7), (3, 2)]));
    assert_eq!(
        outcomes(&allocation, &bids, 0),
        [Filled { available_qty: 7 }, Reserved]
    );
    assert_eq!(
        outcomes(&allocation, &bids, 1),
        [Insufficient { available_qty: 0 }]
    );
    assert_eq!(allocation.granted, stock(&[(1, 7), (3, 2)]));
}

#[test]
fn a_fill_takes_no_fewer_than_are_sold_at_once() {
    let mut bids = [bid(Fill, &[(1, 9)])];
    bids[0].demands[0].qty_min = 5;
    for (available, outcome) in [
        (4, Insufficient { available_qty: 4 }),
        (5, Filled { available_qty: 5 }),
        (8, Filled { available_qty: 8 }),
        (9, Reserved),
    ] {
        let allocation = allocate(&bids, &stock(&[(1, available)]));
        assert_eq!(outcomes(&allocation, &bids, 0), [outcome], "{available}");
    }
}

#[test]
fn a_vendor_s_lines_stand_and_fall_together_and_leave_the_other_vendors_alone() {
    let bids = [
        bid(RejectVendor, &[(1, 5), (3, 9), (2, 5)]),
        bid(RejectLine, &[(1, 5)]),
    ];
    let allocation = allocate(&bids, &stock(&[(1, 5), (2, 5), (3, 8)]));
    assert_eq!(
        outcomes(&allocation, &bids, 0),
        [Withheld, Insufficient { available_qty: 8 }, Reserved]
    );
    // Withheld units are there for the next checkout.
    assert_eq!(outcomes(&allocation, &bids, 1), [Reserved]);
    assert_eq!(allocation.granted, stock(&[(1, 5), (2, 5)]));
}

#[test]
fn all_or_nothing_takes_nothing_if_one_line_of_any_vendor_is_short() {
    let bids = [
        bid(AllOrNothing, &[(1, 5), (3, 5), (2, 6)]),
        bid(AllOrNothing, &[(1, 5), (2, 5)]),
    ];
    let allocation = allocate(&bids, &stock(&[(1, 5), (2, 5), (3, 5)]));
    assert_eq!(
        outcomes(&allocation, &bids, 0),
        [Withheld, Withheld, Insufficient { available_qty: 5 }]
    );
    assert_eq!(outcomes(&allocation, &bids, 1), [Reserved, Reserved]);
    assert_eq!(allocation.granted, stock(&[(1, 5), (2, 5)]));
}

#[test]
fn all_or_nothing_takes_nothing_if_a_line_is_barred_for_another_reason() {
    let mut bids = [bid(AllOrNothing, &[(1, 5), (2, 9)])];
    bids[0].is_complete = false;
    for (left, second) in [(9, Withheld), (8, Insufficient { available_qty: 8 })] {
        let allocation = allocate(&bids, &stock(&[(1, 5), (2, left)]));
        assert_eq!(outcomes(&allocation, &bids, 0), [Withheld, second]);
        assert_eq!(allocation.granted, stock(&[]));
    }
}

#[test]
fn enough_stock_may_change_as_long_as_it_is_enough() {
    let speculation = speculate(&lines(&[(1, 3), (1, 4)]), &stock(&[(1, 9)]));
    let expected = ExpectedStock {
        qty: 7,
        available_min: 7,
        available_max: i32::MAX,
    };
    assert_eq!(speculation.expected[&key(1)], expected);
}

#[test]
fn short_stock_must_be_what_was_seen() {
    let speculation = speculate(&lines(&[(1, 3), (1, 4)]), &stock(&[(1, 6)]));
    let expected = ExpectedStock {
        qty: 3,
        available_min: 6,
        available_max: 6,
    };
    assert_eq!(speculation.expected[&key(1)], expected);
}

#[test]
fn what_nobody_gets_is_expected_all_the_same() {
    let speculation = speculate(&[bid(AllOrNothing, &[(1, 3), (2, 4)])], &stock(&[(1, 6)]));
    let nothing_of = |available_min, available_max| ExpectedStock {
        qty: 0,
        available_min,
        available_max,
    };
    let expected = &speculation.expected;
    assert_eq!(expected[&key(1)], nothing_of(3, i32::MAX));
    assert_eq!(expected[&key(2)], nothing_of(0, 0));
}

#[test]
fn demands_may_come_to_more_than_any_single_one_can_be() {
    let available = stock(&[(1, i32::MAX)]);
    let speculation = speculate(&lines(&[(1, i32::MAX), (1, i32::MAX)]), &available);
    let expected = ExpectedStock {
        qty: i32::MAX,
        available_min: i32::MAX,
        available_max: i32::MAX,
    };
    assert_eq!(speculation.expected[&key(1)], expected);
}

fn policies() -> impl Strategy<Value = ShortagePolicy> {
    prop_oneof![
        Just(RejectLine),
        Just(Fill),
        Just(RejectVendor),
        Just(AllOrNothing)
    ]
}

fn bids() -> impl Strategy<Value = Vec<Bid>> {
    let wanted = proptest::collection::btree_map(1..=4_u32, 1..=20_i32, 1..=4);
    let one = (policies(), wanted).prop_map(|(policy, wanted)| {
        let wanted: Vec<_> = wanted.into_iter().collect();
        bid(policy, &wanted)
    });
    proptest::collection::vec(one, 0..20)
}

fn stocks() -> impl Strategy<Value = BTreeMap<StockKey, i32>> {
    let figures = proptest::collection::btree_map(1..=4_u32, 0..=120_i32, 0..=4);
    figures.prop_map(|figures| stock(&figures.into_iter().collect::<Vec<_>>()))
}

fn figure(figures: &BTreeMap<StockKey, i32>, product: u32) -> i32 {
    figures.get(&key(product)).copied().unwrap_or(0)
}

fn units(demand: &Demand, outcome: ReservationOutcome) -> i32 {
    match outcome {
        Reserved => demand.qty,
        Filled { available_qty } => available_qty,
        Insufficient { .. } | Withheld => 0,
        limited => panic!("{limited:?} without a limit"),
    }
}

/// Serves bids one after the other by the policies' words, without any cleverness.
fn serve_naively(bids: &[Bid], available: &BTreeMap<StockKey, i32>) -> Vec<BTreeMap<u32, i32>> {
    let mut left: BTreeMap<u32, i32> = (1..=4)
        .map(|product| (product, figure(available, product)))
        .collect();
    let mut all = Vec::new();
    for bid in bids {
        let number = |demand: &Demand| {
            (1..=4)
                .find(|product| product_id(*product) == demand.stock.product_id)
                .unwrap()
        };
        let mut got = BTreeMap::new();
        for demand in &bid.demands {
            let others_fit = |same_vendor_only: bool| {
                bid.demands
                    .iter()
                    .filter(|other| {
                        !same_vendor_only
                            || other.stock.vendor_store_id == demand.stock.vendor_store_id
                    })
                    .all(|other| left[&number(other)] >= other.qty)
            };
            let there = left[&number(demand)];
            let fits = there >= demand.qty;
            let qty = match bid.policy {
                RejectLine if fits => demand.qty,
                Fill => there.min(demand.qty),
                RejectVendor if others_fit(true) => demand.qty,
                AllOrNothing if others_fit(false) => demand.qty,
                _ => 0,
            };
            got.insert(number(demand), qty);
        }
        for (product, qty) in &got {
            *left.get_mut(product).unwrap() -= qty;
        }
        all.push(got);
    }
    all
}

proptest! {
    #[test]
    fn everybody_gets_what_serving_one_by_one_gives(bids in bids(), available in stocks()) {
        let allocation = allocate(&bids, &available);
        let naive = serve_naively(&bids, &available);
        for ((bid, outcomes), naive) in bids.iter().zip(&allocation.outcomes).zip(naive) {
            let got: Vec<_> = bid
                .demands
                .iter()
                .map(|demand| units(demand, outcomes[&demand.stock.product_id]))
                .collect();
            prop_assert_eq!(got, naive.into_values().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_granted_is_what_the_outcomes_say_and_never_exceeds_the_stock(
        bids in bids(),
        available in stocks(),
    ) {
        let allocation = allocate(&bids, &available);
        for product in 1..=4 {
            let mut taken = 0;
            for (bid, outcomes) in bids.iter().zip(&allocation.outcomes) {
                for demand in &bid.demands {
                    if demand.stock.product_id == product_id(product) {
                        taken += units(demand, outcomes[&demand.stock.product_id]);
                    }
                }
            }
            prop_assert_eq!(figure(&allocation.granted, product), taken);
            prop_assert!(taken <= figure(&available, product));
        }
        let granted = allocation.granted.values();
        prop_assert!(granted.into_iter().all(|qty| *qty > 0), "nothing is left out");
    }

    #[test]
    fn nobody_depends_on_those_behind(
        (bids, turn) in bids().prop_flat_map(|bids| { let all = bids.len(); (Just(bids), 0..=all) }),
        available in stocks(),
    ) {
        let alone = allocate(&bids[..turn], &available);
        prop_assert_eq!(&alone.outcomes[..], &allocate(&bids, &available).outcomes[..turn]);
    }

    /// Stock that is as expected gives the result that was computed from other stock.
    #[test]
    fn a_speculation_is_right_for_all_stock_that_is_as_expected(
        bids in bids(),
        seen in stocks(),
        more in proptest::collection::vec(0..50_i32, 4),
    ) {
        let speculation = speculate(&bids, &seen);
        let mut actual = seen.clone();
        for (stock, expected) in &speculation.expected {
            let nr = (0..4).find(|nr| key(nr + 1) == *stock).unwrap();
            let available = expected
                .available_min
                .saturating_add(more[nr as usize])
                .min(expected.available_max);
            prop_assert!(expected.qty <= expected.available_min);
            actual.insert(*stock, available);
        }
        prop_assert_eq!(speculation.allocation, allocate(&bids, &actual));
    }
}
