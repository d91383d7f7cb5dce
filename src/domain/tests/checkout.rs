//! Planning a checkout: what can be attempted, and what is asked of the stock.

use super::{
    market::{market, settle},
    support::{discount, product, product_id, vendor, vendor_id, violation},
};
use crate::domain::{
    lock_order::StockKey,
    order::{
        OrderStatus,
        PaymentMethod::{self, Ach, Cash},
        PaymentStatus,
    },
    refusal::Refusal,
    rejection::{LineRejectionReason, OrderRejectionReason},
    reservation::Demand,
    store::{KycStatus, LicenseStatus},
    terms::PaymentPolicy::{CashAndAch, CashOnly},
    violation::{Violation, ViolationCode as Code},
};

fn demand(vendor: u32, product: u32, qty: i32) -> Demand {
    Demand {
        stock: StockKey {
            vendor_store_id: vendor_id(vendor),
            product_id: product_id(product),
        },
        qty,
        qty_min: qty,
        limit: None,
    }
}

fn violations(refusal: Refusal) -> Vec<Violation> {
    match refusal {
        Refusal::Invalid(violations) => violations,
        other => panic!("{other:?}"),
    }
}

/// PF-080: one order per vendor.
#[test]
fn demands_are_split_by_vendor_in_ascending_id_and_keep_the_carts_order() {
    let market = market()
        .selling(product(1).sold_by(2))
        .selling(product(2).sold_by(1))
        .selling(product(3).sold_by(2));
    let cart = market.freeze(&market.ask(&[(3, 30), (2, 20), (1, 10)]));
    let plan = market.plan(&cart, Cash, CashOnly).unwrap();
    assert_eq!(
        plan.bid().demands,
        [demand(1, 2, 20), demand(2, 3, 30), demand(2, 1, 10)]
    );
}

#[test]
fn what_can_not_be_sold_is_not_demanded() {
    let before = market()
        .selling(product(1))
        .selling(product(2))
        .selling(product(3).sold_by(2))
        .selling(product(4).sold_by(3));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1), (3, 1), (4, 1)]));
    let after = before
        .with(vendor(2).unsubscribed())
        .selling(product(1).withdrawn())
        .selling(product(4).sold_by(3).withdrawn());
    let plan = after.plan(&cart, Cash, CashOnly).unwrap();
    assert_eq!(plan.bid().demands, [demand(1, 2, 1)]);
}

#[test]
fn a_later_change_of_the_catalogue_rejects_nothing() {
    let before = market()
        .selling(product(1).with_tier(5, "10"))
        .granting(discount(1, "SPRING"));
    let cart = before.freeze(&before.ask_with(&[(1, 5)], &[(1, "SPRING")]));
    let after = before
        .selling(product(1).priced("99.00").with_moq(50).capped_at(2))
        .granting(discount(1, "SPRING").switched_off());
    let checkout = after.check_out(&cart, &[]);
    assert_eq!(checkout.group.totals, cart.head.totals);
    assert_eq!(checkout.orders[0].status, OrderStatus::CreatedPending);
}

#[test]
fn ach_is_refused_where_only_cash_is_offered() {
    let market = market().selling(product(1));
    let cart = market.freeze(&market.ask(&[(1, 1)]));
    assert_eq!(
        violations(market.plan(&cart, Ach, CashOnly).unwrap_err()),
        [violation(Code::PaymentMethodNotAllowed, "/payment_method")]
    );
}

#[test]
fn an_intent_starts_as_its_method_says() {
    let market = market().selling(product(1));
    let cart = market.freeze(&market.ask(&[(1, 1)]));
    for (method, policy, status) in [
        (Cash, CashOnly, PaymentStatus::Unpaid),
        (Cash, CashAndAch, PaymentStatus::Unpaid),
        (Ach, CashAndAch, PaymentStatus::Pending),
    ] {
        let checkout = settle(market.plan(&cart, method, policy).unwrap(), &[]);
        let intent = checkout.orders[0].payment_intent.unwrap();
        assert_eq!((intent.method, intent.status), (method, status));
    }
}

/// PF-077: the payment method defaults to cash.
#[test]
fn cash_is_the_default() {
    assert_eq!(PaymentMethod::default(), Cash);
}

#[test]
fn a_checkout_without_any_eligible_vendor_can_not_be_attempted() {
    let before = market()
        .selling(product(1).sold_by(2))
        .selling(product(2).sold_by(1))
        .selling(product(3).sold_by(3));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1), (3, 1)]));
    let after = before
        .with(vendor(1).unsubscribed())
        .with(vendor(2).seated_in("TX"))
        .with(vendor(3).license_is(LicenseStatus::Expired));
    let at_cart = |code, number| violation(code, "/cart_id").vendor(vendor_id(number));
    assert_eq!(
        violations(after.plan(&cart, Cash, CashOnly).unwrap_err()),
        [
            at_cart(Code::VendorSubscriptionInactive, 1),
            at_cart(Code::VendorStateMismatch, 2),
            at_cart(Code::VendorLicenseInvalid, 3),
        ]
    );
}

#[test]
fn a_refused_method_and_ineligible_vendors_come_at_once() {
    let before = market().selling(product(1));
    let cart = before.freeze(&before.ask(&[(1, 1)]));
    let after = before.with(vendor(1).known_as(KycStatus::Suspended));
    let codes: Vec<_> = violations(after.plan(&cart, Ach, CashOnly).unwrap_err())
        .into_iter()
        .map(|violation| violation.code)
        .collect();
    assert_eq!(
        codes,
        [Code::PaymentMethodNotAllowed, Code::VendorLicenseInvalid]
    );
}

/// PF-080: what can't be sold is rejected, not the whole checkout.
#[test]
fn an_ineligible_vendor_beside_an_eligible_one_gets_a_rejected_order_with_its_own_reason() {
    let before = market()
        .selling(product(1))
        .selling(product(2).sold_by(2))
        .selling(product(3).sold_by(3))
        .selling(product(4).sold_by(4))
        .selling(product(5).sold_by(2));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]));
    let after = before
        .with(vendor(2).unlicensed().seated_in("TX"))
        .with(vendor(3).unsubscribed())
        .with(vendor(4).seated_in("TX"));
    let orders = after.check_out(&cart, &[]).orders;
    assert_eq!(orders[0].status, OrderStatus::CreatedPending);
    assert_eq!(orders[0].rejection_reason, None);
    for (order, vendor, order_reason, line_reason) in [
        (
            &orders[1],
            2,
            OrderRejectionReason::VendorLicenseInvalid,
            LineRejectionReason::VendorLicenseInvalid,
        ),
        (
            &orders[2],
            3,
            OrderRejectionReason::VendorSubscriptionInactive,
            LineRejectionReason::VendorSubscriptionInactive,
        ),
        (
            &orders[3],
            4,
            OrderRejectionReason::VendorStateMismatch,
            LineRejectionReason::VendorStateMismatch,
        ),
    ] {
        assert_eq!(order.vendor_store_id, vendor_id(vendor));
        assert_eq!(order.vendor_name, format!("Vendor {vendor}"));
        assert_eq!(order.status, OrderStatus::Rejected);
        assert_eq!(order.rejection_reason, Some(order_reason));
        assert_eq!(order.payment_intent, None);
        for line in &order.lines {
            let rejection = line.rejection.as_ref().unwrap();
            assert_eq!(rejection.reason, line_reason);
            assert_eq!(rejection.available_qty, None);
        }
    }
    assert_eq!(orders[1].lines.len(), 2);
}

#[test]
fn a_vendor_that_is_gone_counts_as_one_without_a_licence() {
    let mut market = market().selling(product(1)).selling(product(2).sold_by(2));
    let cart = market.freeze(&market.ask(&[(1, 1), (2, 1)]));
    market.catalog.vendors.remove(&vendor_id(2));
    let checkout = market.check_out(&cart, &[]);
    assert_eq!(
        checkout.orders[1].rejection_reason,
        Some(OrderRejectionReason::VendorLicenseInvalid)
    );
}

#[test]
fn a_vendors_reason_goes_before_a_products() {
    let before = market().selling(product(1)).selling(product(2).sold_by(2));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1)]));
    let after = before
        .with(vendor(2).unsubscribed())
        .selling(product(2).sold_by(2).withdrawn());
    let checkout = after.check_out(&cart, &[]);
    assert_eq!(
        checkout.orders[1].lines[0]
            .rejection
            .as_ref()
            .unwrap()
            .reason,
        LineRejectionReason::VendorSubscriptionInactive
    );
}

#[test]
fn all_reasons_against_the_last_vendor_are_violations() {
    let before = market().selling(product(1));
    let cart = before.freeze(&before.ask(&[(1, 1)]));
    let after = before.with(vendor(1).unlicensed().unsubscribed().seated_in("TX"));
    let at_cart = |code| violation(code, "/cart_id").vendor(vendor_id(1));
    assert_eq!(
        violations(after.plan(&cart, Cash, CashOnly).unwrap_err()),
        [
            at_cart(Code::VendorLicenseInvalid),
            at_cart(Code::VendorSubscriptionInactive),
            at_cart(Code::VendorStateMismatch),
        ]
    );
}
