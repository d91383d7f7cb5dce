//! Purchase limits: what they leave to a buyer, and for which purchases a speculation is right.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    market::{ask_for, market},
    support::{buyer_id, money, now, product, product_id, vendor_id},
};
use crate::domain::{
    cart::PriceHold,
    checkout::CheckoutRequest,
    ids::BuyerStoreId,
    lock_order::StockKey,
    optimistic::speculate,
    order::{Checkout, LineStatus},
    purchase_limit::{
        Bought, BuyerProduct, DemandLimit, ExpectedPurchases, LimitReached, PurchaseLimit,
    },
    refusal::Refusal,
    rejection::{LineRejectionReason, Rejection},
    reservation::{
        Allocation, Bid, Demand,
        ReservationOutcome::{self, Filled, FilledToLimit, Insufficient, Reserved, Withheld},
        allocate, purchases_to_count,
    },
    shortage_policy::ShortagePolicy::{self, AllOrNothing, Fill, RejectLine, RejectVendor},
    terms::{PaymentPolicy, Terms},
};

fn key(product: u32) -> StockKey {
    StockKey {
        vendor_store_id: vendor_id(1),
        product_id: product_id(product),
    }
}

fn buyer(number: u32) -> BuyerStoreId {
    BuyerStoreId::new(Uuid::from_u128(0x7000 + u128::from(number)))
}

fn pair(buyer_number: u32, product: u32) -> BuyerProduct {
    BuyerProduct {
        buyer_store_id: buyer(buyer_number),
        stock: key(product),
    }
}

fn bought(figures: &[((u32, u32), i64)]) -> Bought {
    let figures = figures.iter();
    figures
        .map(|((buyer, product), qty)| (pair(*buyer, *product), *qty))
        .collect()
}

fn stock(figures: &[(u32, i32)]) -> BTreeMap<StockKey, i32> {
    let figures = figures.iter();
    figures
        .map(|(product, qty)| (key(*product), *qty))
        .collect()
}

/// A bid for one line of product 1, which has this limit.
fn bid(policy: ShortagePolicy, buyer_number: u32, qty: i32, limit: i32) -> Bid {
    let limit = DemandLimit {
        buyer_store_id: buyer(buyer_number),
        qty: limit,
        since: None,
    };
    Bid {
        policy,
        demands: vec![Demand {
            stock: key(1),
            qty,
            qty_min: if policy == Fill { 1 } else { qty },
            limit: Some(limit),
        }],
        is_complete: true,
    }
}

/// The outcomes of bids for product 1.
fn outcomes(allocation: &Allocation) -> Vec<ReservationOutcome> {
    let bids = allocation.outcomes.iter();
    bids.map(|outcomes| outcomes[&product_id(1)]).collect()
}

fn reached(limit_qty: i32, bought_qty: i64) -> LimitReached {
    LimitReached {
        limit_qty,
        bought_qty,
    }
}

#[test]
fn a_line_gets_what_the_limit_leaves_or_nothing() {
    let over = ReservationOutcome::LimitReached;
    for (policy, had, outcome) in [
        (RejectLine, 5, Reserved),
        (RejectLine, 6, over(reached(10, 6))),
        (Fill, 6, FilledToLimit(reached(10, 6))),
        (Fill, 9, FilledToLimit(reached(10, 9))),
        (Fill, 10, over(reached(10, 10))),
        // The limit was lowered below what had been bought.
        (Fill, 4_000_000_000, over(reached(10, 4_000_000_000))),
    ] {
        let bids = [bid(policy, 1, 5, 10)];
        let allocation = allocate(&bids, &stock(&[(1, 99)]), &bought(&[((1, 1), had)]));
        assert_eq!(outcomes(&allocation), [outcome], "{policy:?} after {had}");
    }
}

#[test]
fn the_reason_is_whichever_leaves_less_and_the_limit_if_both_leave_the_same() {
    for (left, outcome) in [
        (5, FilledToLimit(reached(10, 6))),
        (4, FilledToLimit(reached(10, 6))),
        (3, Filled { available_qty: 3 }),
        (0, Insufficient { available_qty: 0 }),
    ] {
        let bids = [bid(Fill, 1, 5, 10)];
        let allocation = allocate(&bids, &stock(&[(1, left)]), &bought(&[((1, 1), 6)]));
        assert_eq!(outcomes(&allocation), [outcome], "{left} in stock");
    }
}

#[test]
fn a_fill_by_the_limit_takes_no_fewer_than_are_sold_at_once() {
    let mut bids = [bid(Fill, 1, 9, 10)];
    bids[0].demands[0].qty_min = 4;
    for (had, outcome) in [
        (6, FilledToLimit(reached(10, 6))),
        (7, ReservationOutcome::LimitReached(reached(10, 7))),
    ] {
        let allocation = allocate(&bids, &stock(&[(1, 99)]), &bought(&[((1, 1), had)]));
        assert_eq!(outcomes(&allocation), [outcome], "after {had}");
    }
}

#[test]
fn bids_of_one_buyer_count_for_each_other_and_for_nobody_else() {
    let bids = [
        bid(RejectLine, 1, 6, 10),
        bid(RejectLine, 1, 6, 10),
        bid(RejectLine, 2, 6, 10),
        bid(RejectLine, 1, 4, 10),
    ];
    let allocation = allocate(&bids, &stock(&[(1, 99)]), &Bought::new());
    let second = ReservationOutcome::LimitReached(reached(10, 6));
    assert_eq!(
        outcomes(&allocation),
        [Reserved, second, Reserved, Reserved]
    );
    assert_eq!(allocation.granted, stock(&[(1, 16)]));
}

/// Two lines of one vendor under a policy, the first over its limit.
#[test]
fn what_is_withheld_counts_nothing() {
    for policy in [RejectVendor, AllOrNothing] {
        let mut first = bid(policy, 1, 6, 5);
        first.demands.push(Demand {
            stock: key(2),
            ..bid(policy, 1, 6, 6).demands[0]
        });
        let mut second = bid(policy, 1, 6, 6);
        second.demands[0].stock = key(2);
        let available = stock(&[(1, 99), (2, 99)]);
        let allocation = allocate(&[first, second], &available, &Bought::new());
        let [first, second] = &allocation.outcomes[..] else {
            panic!("{allocation:?}")
        };
        let over = ReservationOutcome::LimitReached(reached(5, 0));
        assert_eq!(first[&product_id(1)], over);
        assert_eq!(first[&product_id(2)], Withheld);
        assert_eq!(second[&product_id(2)], Reserved);
    }
}

#[test]
fn purchases_are_counted_only_for_products_with_a_limit() {
    let mut unlimited = bid(RejectLine, 1, 1, 1);
    unlimited.demands[0].limit = None;
    assert!(purchases_to_count(&[unlimited.clone()]).is_empty());
    let windows = purchases_to_count(&[unlimited, bid(RejectLine, 2, 1, 1)]);
    assert_eq!(windows, BTreeMap::from([(pair(2, 1), None)]));
}

#[test]
fn purchases_may_change_as_long_as_the_limit_leaves_enough() {
    let expected = |bids: &[Bid], had| {
        let speculation = speculate(bids, &stock(&[(1, 99)]), &bought(&[((1, 1), had)]));
        let purchases = speculation.purchases[&pair(1, 1)];
        (purchases.bought_min, purchases.bought_max)
    };
    // The figures are those of after the write: 5 or 8 units are among them.
    assert_eq!(expected(&[bid(RejectLine, 1, 5, 10)], 3), (5, 10));
    assert_eq!(expected(&[bid(RejectLine, 1, 5, 10)], 6), (6, 6));
    let twice = [bid(RejectLine, 1, 5, 10), bid(Fill, 1, 6, 10)];
    assert_eq!(expected(&twice, 2), (10, 10));
}

/// Each of a crowd wants more than the limit: stock for what they can get is enough stock.
#[test]
fn stock_that_is_enough_for_what_the_limit_leaves_may_change() {
    let bids = [bid(Fill, 1, 50, 2), bid(Fill, 2, 50, 2), bid(Fill, 3, 1, 2)];
    let speculation = speculate(&bids, &stock(&[(1, 20)]), &Bought::new());
    let expected = speculation.expected[&key(1)];
    assert_eq!((expected.qty, expected.available_min), (5, 5));
    assert_eq!(expected.available_max, i32::MAX);
}

#[test]
fn a_limit_counts_its_days_back_from_now() {
    let limit = |days| PurchaseLimit { qty: 1, days };
    assert_eq!(limit(None).counts_since(now()), None);
    let month = limit(Some(30)).counts_since(now());
    assert_eq!(month, Some(now() - TimeDelta::days(30)));
}

#[test]
fn the_columns_of_a_product_without_a_limit_are_none() {
    assert_eq!(PurchaseLimit::from_columns(None, None), None);
    let limit = PurchaseLimit {
        qty: 3,
        days: Some(7),
    };
    assert_eq!(PurchaseLimit::from_columns(Some(3), Some(7)), Some(limit));
}

/// A checkout of ten units of a product at 10.00 with a limit of seven, and two of another product.
fn check_out(policy: ShortagePolicy, outcome: ReservationOutcome) -> Result<Checkout, Refusal> {
    let sold = market()
        .selling(product(1).limited_to(20, Some(30)))
        .selling(product(2));
    let cart = sold.freeze(&sold.ask(&[(1, 10), (2, 2)]));
    let request = CheckoutRequest {
        shortage_policy: policy,
        ..ask_for(&cart)
    };
    let terms = Terms {
        payment_policy: PaymentPolicy::CashOnly,
        price_hold: PriceHold::FOR_EVER,
    };
    let plan = sold.plan_on(request, &cart, terms).unwrap();
    let [limited, unlimited] = plan.bid().demands[..] else {
        panic!("two lines")
    };
    let limit = DemandLimit {
        buyer_store_id: buyer_id(),
        qty: 20,
        since: Some(now() - TimeDelta::days(30)),
    };
    assert_eq!((limited.limit, unlimited.limit), (Some(limit), None));
    let beside = if policy == AllOrNothing {
        Withheld
    } else {
        Reserved
    };
    let outcomes = BTreeMap::from([(product_id(1), outcome), (product_id(2), beside)]);
    plan.settle(&outcomes, &mut Uuid::now_v7, now())
}

#[test]
fn a_line_that_is_filled_to_its_limit_is_two_that_add_up_to_it() {
    let limit = reached(20, 16);

    let checkout = check_out(Fill, FilledToLimit(limit)).unwrap();

    let order = &checkout.orders[0];
    let [filled, rest, _] = &order.lines[..] else {
        panic!("{order:?}")
    };
    assert_eq!((filled.qty, filled.status), (4, LineStatus::Pending));
    assert_eq!((rest.qty, rest.status), (6, LineStatus::Rejected));
    let expected = Rejection {
        reserved_qty: Some(4),
        limit: Some(limit),
        ..Rejection::because(LineRejectionReason::PurchaseLimitReached)
    };
    assert_eq!(rest.rejection, Some(expected));
    assert_eq!(order.totals.total, money("60.00"));
}

#[test]
fn a_line_over_its_limit_is_rejected_with_the_figures() {
    let limit = reached(20, 11);

    let checkout = check_out(RejectLine, ReservationOutcome::LimitReached(limit)).unwrap();

    let line = &checkout.orders[0].lines[0];
    let expected = Rejection {
        limit: Some(limit),
        ..Rejection::because(LineRejectionReason::PurchaseLimitReached)
    };
    assert_eq!(line.rejection, Some(expected));
    assert_eq!(checkout.orders[0].totals.total, money("20.00"));
}

#[test]
fn all_or_nothing_is_refused_with_the_line_that_is_over_its_limit() {
    let limit = reached(20, 11);

    let refusal = check_out(AllOrNothing, ReservationOutcome::LimitReached(limit)).unwrap_err();

    let Refusal::StockChanged(short) = refusal else {
        panic!("{refusal:?}")
    };
    let [line] = &short[..] else {
        panic!("{short:?}")
    };
    assert_eq!((line.product_id, line.qty), (product_id(1), 10));
    assert_eq!(line.rejection, Rejection::over_limit(limit));
}

/// Bids of three buyers for three products; the limits of products 1 and 2, product 3 has none.
#[derive(Clone, Debug)]
struct Crowd {
    bids: Vec<Bid>,
    available: BTreeMap<StockKey, i32>,
    bought: Bought,
}

fn crowds() -> impl Strategy<Value = Crowd> {
    let policy = prop_oneof![
        Just(RejectLine),
        Just(Fill),
        Just(RejectVendor),
        Just(AllOrNothing)
    ];
    let wanted = proptest::collection::btree_map(1..=3_u32, (1..=20_i32, 1..=4_i32), 1..=3);
    let asked = proptest::collection::vec((policy, 1..=3_u32, wanted), 0..15);
    let stocks = proptest::collection::btree_map(1..=3_u32, 0..=120_i32, 3);
    let had = proptest::collection::vec(0..=30_i64, 9);
    let limits = [1..=40_i32, 1..=40_i32];
    (asked, stocks, had, limits).prop_map(|(asked, stocks, had, limits)| {
        let bids = asked.into_iter().map(|(policy, buyer_number, wanted)| {
            let demands = wanted.into_iter().map(|(product, (qty, moq))| {
                let limit = limits.get(product as usize - 1).copied();
                Demand {
                    stock: key(product),
                    qty,
                    qty_min: if policy == Fill { moq.min(qty) } else { qty },
                    limit: limit.map(|qty| DemandLimit {
                        buyer_store_id: buyer(buyer_number),
                        qty,
                        since: None,
                    }),
                }
            });
            Bid {
                policy,
                demands: demands.collect(),
                is_complete: true,
            }
        });
        let pairs = (1..=3).flat_map(|buyer| (1..=3).map(move |product| pair(buyer, product)));
        Crowd {
            bids: bids.collect(),
            available: stocks.iter().map(|(nr, qty)| (key(*nr), *qty)).collect(),
            bought: pairs.zip(had).collect(),
        }
    })
}

/// The units of each demand, served one by one by the words of the contract.
fn serve_naively(crowd: &Crowd) -> Vec<Vec<i32>> {
    let mut left = crowd.available.clone();
    let mut had = crowd.bought.clone();
    let mut all = Vec::new();
    for bid in &crowd.bids {
        let pair_of = |demand: &Demand| BuyerProduct {
            buyer_store_id: demand.limit.unwrap().buyer_store_id,
            stock: demand.stock,
        };
        let room = |demand: &Demand| {
            let stock = i64::from(left[&demand.stock]);
            let limit = demand.limit.map_or(stock, |limit| {
                std::cmp::max(i64::from(limit.qty) - had[&pair_of(demand)], 0)
            });
            i32::try_from(stock.min(limit)).unwrap()
        };
        let all_fit = bid.demands.iter().all(|other| room(other) >= other.qty);
        let got: Vec<_> = bid
            .demands
            .iter()
            .map(|demand| match (bid.policy, room(demand)) {
                (RejectVendor | AllOrNothing, _) if !all_fit => 0,
                (_, room) if room >= demand.qty => demand.qty,
                (Fill, room) if room >= demand.qty_min => room,
                _ => 0,
            })
            .collect();
        for (demand, qty) in bid.demands.iter().zip(&got) {
            *left.get_mut(&demand.stock).unwrap() -= qty;
            if demand.limit.is_some() {
                *had.get_mut(&pair_of(demand)).unwrap() += i64::from(*qty);
            }
        }
        all.push(got);
    }
    all
}

/// The units of each demand of each bid.
fn units(bids: &[Bid], allocation: &Allocation) -> Vec<Vec<i32>> {
    let bids = bids.iter().zip(&allocation.outcomes);
    let of_bid = |(bid, outcomes): (&Bid, &BTreeMap<_, _>)| {
        let demands = bid.demands.iter();
        let units = demands.map(|demand| match outcomes[&demand.stock.product_id] {
            Reserved => demand.qty,
            Filled { available_qty } => available_qty,
            FilledToLimit(limit) => limit.left_qty(),
            _ => 0,
        });
        units.collect()
    };
    bids.map(of_bid).collect()
}

/// The units that each buyer has got.
fn got_by_pair(bids: &[Bid], allocation: &Allocation) -> Bought {
    let mut got = Bought::new();
    for (bid, units) in bids.iter().zip(units(bids, allocation)) {
        for (demand, qty) in bid.demands.iter().zip(units) {
            if let Some(limit) = demand.limit {
                let pair = BuyerProduct {
                    buyer_store_id: limit.buyer_store_id,
                    stock: demand.stock,
                };
                *got.entry(pair).or_insert(0) += i64::from(qty);
            }
        }
    }
    got
}

proptest! {
    #[test]
    fn everybody_gets_what_serving_one_by_one_under_limits_gives(crowd in crowds()) {
        let allocation = allocate(&crowd.bids, &crowd.available, &crowd.bought);
        prop_assert_eq!(units(&crowd.bids, &allocation), serve_naively(&crowd));
    }

    #[test]
    fn nobody_gets_over_a_limit_or_fewer_than_are_sold_at_once(crowd in crowds()) {
        let allocation = allocate(&crowd.bids, &crowd.available, &crowd.bought);
        let got = got_by_pair(&crowd.bids, &allocation);
        for (bid, units) in crowd.bids.iter().zip(units(&crowd.bids, &allocation)) {
            for (demand, qty) in bid.demands.iter().zip(units) {
                prop_assert!(qty == 0 || (demand.qty_min..=demand.qty).contains(&qty));
                if let (Some(limit), true) = (demand.limit, qty > 0) {
                    let pair = BuyerProduct {
                        buyer_store_id: limit.buyer_store_id,
                        stock: demand.stock,
                    };
                    prop_assert!(crowd.bought[&pair] + got[&pair] <= i64::from(limit.qty));
                }
            }
        }
        for (stock, granted) in &allocation.granted {
            prop_assert!(granted <= &crowd.available[stock]);
        }
    }

    /// Stock and purchases that are as expected give the result that was computed from others.
    #[test]
    fn a_speculation_is_right_for_all_purchases_that_are_as_expected(
        crowd in crowds(),
        more in proptest::collection::vec(0..40_i32, 12),
    ) {
        let speculation = speculate(&crowd.bids, &crowd.available, &crowd.bought);
        let got = got_by_pair(&crowd.bids, &speculation.allocation);
        let mut more = more.into_iter();
        let mut actual = crowd.clone();
        for (stock, expected) in &speculation.expected {
            prop_assert!(expected.qty <= expected.available_min);
            let qty = expected.available_min.saturating_add(more.next().unwrap());
            actual.available.insert(*stock, qty.min(expected.available_max));
        }
        for (pair, expected) in &speculation.purchases {
            let ExpectedPurchases { bought_min, bought_max, .. } = *expected;
            prop_assert!(expected.admits(crowd.bought[pair] + got[pair]), "what was read is expected");
            let after = (bought_min + i64::from(more.next().unwrap())).min(bought_max);
            prop_assert!(expected.admits(after));
            actual.bought.insert(*pair, after - got[pair]);
        }
        let allocation = allocate(&actual.bids, &actual.available, &actual.bought);
        prop_assert_eq!(speculation.allocation, allocation);
    }
}
