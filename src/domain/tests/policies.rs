//! Shortage policies, expectations of a cart, and the time for which a cart can be bought.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    market::{ask_for, market},
    support::{discount, money, now, product, product_id, totals, vendor, vendor_id},
};
use crate::domain::{
    cart::{CartRecord, PriceHold},
    checkout::CheckoutRequest,
    expected_cart::{CartChange, ExpectedCart},
    order::{Checkout, LineStatus, OrderStatus},
    refusal::Refusal,
    rejection::{LineRejectionReason, Rejection},
    reservation::ReservationOutcome::{self, Filled, Insufficient, Reserved, Withheld},
    shortage_policy::ShortagePolicy::{self, AllOrNothing, Fill, RejectVendor},
    terms::{PaymentPolicy, Terms},
    tests::market::Market,
};

const TERMS: Terms = Terms {
    payment_policy: PaymentPolicy::CashOnly,
    price_hold: PriceHold::FOR_EVER,
};

/// Checks out under a policy, with these outcomes by product.
fn settle(
    market: &Market,
    cart: &CartRecord,
    shortage_policy: ShortagePolicy,
    outcomes: &[(u32, ReservationOutcome)],
) -> Result<Checkout, Refusal> {
    let request = CheckoutRequest {
        shortage_policy,
        ..ask_for(cart)
    };
    let plan = market.plan_on(request, cart, TERMS).unwrap();
    let outcomes = outcomes
        .iter()
        .map(|(number, outcome)| (product_id(*number), *outcome))
        .collect();
    plan.settle(&outcomes, &mut Uuid::now_v7, now())
}

/// The tier was granted for the whole line, the store discount for what is reserved.
#[test]
fn a_filled_line_is_two_that_add_up_to_it() {
    let market = market()
        .selling(product(1).with_tier(10, "5"))
        .granting(discount(1, "SPRING"));
    let cart = market.freeze(&market.ask_with(&[(1, 10)], &[(1, "SPRING")]));

    let checkout = settle(&market, &cart, Fill, &[(1, Filled { available_qty: 4 })]).unwrap();

    let order = &checkout.orders[0];
    let [filled, rest] = &order.lines[..] else {
        panic!("{order:?}")
    };
    assert_eq!((filled.qty, filled.status), (4, LineStatus::Pending));
    assert_eq!((rest.qty, rest.status), (6, LineStatus::Rejected));
    assert_eq!((filled.position, rest.position), (0, 0));
    assert!(filled.id < rest.id, "they are read back in this order");
    for part in [filled, rest] {
        assert_eq!(part.unit_price, money("9.50"));
    }
    assert_eq!(filled.total + rest.total, money("95.00"));
    assert_eq!(filled.discount + rest.discount, money("5.00"));
    let rejection = rest.rejection.as_ref().unwrap();
    assert_eq!(rejection.reason, LineRejectionReason::InsufficientInventory);
    assert_eq!(rejection.available_qty, Some(4));
    assert_eq!(rejection.reserved_qty, Some(4));
    // 10 % of 38.00 by SPRING.
    assert_eq!(order.totals, totals("40.00", "5.80", "34.20"));
    assert_eq!(order.status, OrderStatus::CreatedPending);
}

#[test]
fn a_fill_asks_for_no_fewer_than_are_sold_at_once() {
    let before = market().selling(product(1).with_moq(4)).selling(product(2));
    let cart = before.freeze(&before.ask(&[(1, 9), (2, 9)]));
    // The MOQ is the snapshot's.
    let after = before.selling(product(1).with_moq(7));
    for (shortage_policy, fewest) in [(Fill, [4, 1]), (RejectVendor, [9, 9])] {
        let request = CheckoutRequest {
            shortage_policy,
            ..ask_for(&cart)
        };
        let plan = after.plan_on(request, &cart, TERMS).unwrap();
        let asked: Vec<_> = plan
            .bid()
            .demands
            .iter()
            .map(|demand| demand.qty_min)
            .collect();
        assert_eq!(asked, fewest, "{shortage_policy:?}");
    }
}

#[test]
fn a_vendor_with_one_line_barred_has_none_reserved() {
    let before = market()
        .selling(product(1))
        .selling(product(2))
        .selling(product(3).sold_by(2));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1), (3, 1)]));
    let after = before.selling(product(1).withdrawn());

    let checkout = settle(&after, &cart, RejectVendor, &[(3, Reserved)]).unwrap();

    let reasons = |nr: usize| -> Vec<_> {
        let lines = checkout.orders[nr].lines.iter();
        lines
            .map(|line| line.rejection.as_ref().map(|rejection| rejection.reason))
            .collect()
    };
    assert_eq!(
        reasons(0),
        [
            Some(LineRejectionReason::ProductUnavailable),
            Some(LineRejectionReason::VendorOrderIncomplete)
        ]
    );
    assert_eq!(checkout.orders[0].status, OrderStatus::Rejected);
    assert_eq!(reasons(1), [None]);
}

#[test]
fn all_or_nothing_is_refused_with_what_is_missing_and_not_with_what_is_withheld() {
    let before = market()
        .selling(product(1))
        .selling(product(2))
        .selling(product(3).sold_by(2));
    let cart = before.freeze(&before.ask(&[(1, 5), (2, 6), (3, 7)]));
    let after = before.with(vendor(2).unsubscribed());
    let outcomes = [(1, Withheld), (2, Insufficient { available_qty: 3 })];

    let refused = settle(&after, &cart, AllOrNothing, &outcomes).unwrap_err();

    let Refusal::StockChanged(lines) = refused else {
        panic!("{refused:?}")
    };
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let Rejection {
                reason,
                available_qty,
                ..
            } = line.rejection;
            (line.product_id, line.qty, reason, available_qty)
        })
        .collect();
    let short = LineRejectionReason::InsufficientInventory;
    let ended = LineRejectionReason::VendorSubscriptionInactive;
    assert_eq!(
        told,
        [
            (product_id(2), 6, short, Some(3)),
            (product_id(3), 7, ended, None)
        ]
    );
    assert_eq!(lines[1].vendor_store_id, vendor_id(2));
}

#[test]
#[should_panic(expected = "nothing is reserved for who is refused")]
fn a_unit_reserved_for_who_is_refused_is_our_own_bug() {
    let market = market().selling(product(1)).selling(product(2));
    let cart = market.freeze(&market.ask(&[(1, 5), (2, 6)]));
    let outcomes = [(1, Reserved), (2, Insufficient { available_qty: 3 })];
    drop(settle(&market, &cart, AllOrNothing, &outcomes));
}

#[test]
fn what_is_not_as_expected_is_told_all_at_once() {
    let market = market().selling(product(1));
    let cart = market.freeze(&market.ask(&[(1, 2)]));
    let plan = |total: Option<&str>, version: Option<i32>| {
        let request = CheckoutRequest {
            expected: ExpectedCart {
                total: total.map(money),
                version,
            },
            ..ask_for(&cart)
        };
        market.plan_on(request, &cart, TERMS).map(drop)
    };
    assert_eq!(plan(Some("20.00"), Some(1)), Ok(()));
    let total = CartChange::new("/expected_total", money("19.99"), money("20.00"));
    let version = CartChange::new("/expected_version", 2, 1);
    assert_eq!(
        plan(Some("19.99"), Some(2)),
        Err(Refusal::CartChanged(vec![total.clone(), version.clone()]))
    );
    let changed = |change: CartChange| Err(Refusal::CartChanged(vec![change]));
    assert_eq!(plan(Some("19.99"), None), changed(total));
    assert_eq!(plan(None, Some(2)), changed(version));
}

#[test]
fn a_cart_can_be_bought_until_its_hold_ends() {
    let market = market().selling(product(1));
    let mut cart = market.freeze(&market.ask(&[(1, 1)]));
    let price_hold = PriceHold::lasting(TimeDelta::hours(24));
    for (age, is_over) in [
        (TimeDelta::zero(), false),
        (TimeDelta::hours(24) - TimeDelta::microseconds(1), false),
        (TimeDelta::hours(24), true),
        (TimeDelta::days(900), true),
    ] {
        cart.head.updated_at = now() - age;
        let valid_until = cart.head.updated_at + TimeDelta::hours(24);
        assert_eq!(price_hold.valid_until(&cart.head), Some(valid_until));
        let terms = Terms {
            price_hold,
            ..TERMS
        };
        let planned = market.plan_on(ask_for(&cart), &cart, terms).map(drop);
        let expected = if is_over {
            Err(Refusal::CartExpired { valid_until })
        } else {
            Ok(())
        };
        assert_eq!(planned, expected, "{age}");
        let for_ever = market.plan_on(ask_for(&cart), &cart, TERMS);
        assert!(for_ever.is_ok());
    }
}
