//! The figures of a cart: unit prices, line totals, totals, and the limits of the database.

use super::{
    market::market,
    support::{money, product, product_id, totals, vendor_id, violation},
};
use crate::domain::{
    money::Money,
    violation::{Violation, ViolationCode as Code},
};

/// A violation about a line's product, which vendor 1 sells.
fn at_line(code: Code, path: &str, product: u32) -> Violation {
    violation(code, path)
        .product(product_id(product))
        .vendor(vendor_id(1))
}

#[test]
fn figures_that_were_not_sent_are_not_compared() {
    let market = market().selling(product(1));
    let mut request = market.ask(&[(1, 2)]);
    request.content.items[0].unit_price = None;
    request.content.items[0].line_total = None;
    assert_eq!(market.violations(&request), []);
}

#[test]
fn a_currency_that_nothing_is_priced_in_is_unsupported() {
    let market = market().selling(product(1));
    for currency in ["EUR", "usd"] {
        let mut request = market.ask(&[(1, 1)]);
        request.content.currency = currency.to_owned();
        assert_eq!(
            market.violations(&request),
            [violation(Code::CurrencyUnsupported, "/currency")
                .figures("USD".to_owned(), currency.to_owned())]
        );
    }
}

#[test]
fn a_unit_price_that_is_not_ours_is_a_mismatch() {
    let market = market().selling(product(1).with_tier(10, "5"));
    let mut request = market.ask(&[(1, 10)]);
    request.content.items[0].unit_price = Some(money("10.00"));
    assert_eq!(
        market.violations(&request),
        [at_line(Code::UnitPriceMismatch, "/items/0/unit_price", 1)
            .figures(money("9.50"), money("10.00"))]
    );
}

#[test]
fn a_line_total_that_is_not_ours_is_a_mismatch() {
    let market = market().selling(product(1));
    let mut request = market.ask(&[(1, 2)]);
    request.content.items[0].line_total = Some(money("20.01"));
    assert_eq!(
        market.violations(&request),
        [at_line(Code::LineTotalMismatch, "/items/0/line_total", 1)
            .figures(money("20.00"), money("20.01"))]
    );
}

#[test]
fn each_total_that_is_not_ours_is_a_mismatch_of_its_own() {
    let market = market().selling(product(1).with_tier(10, "5"));
    let mut request = market.ask(&[(1, 10)]);
    request.totals = totals("1.00", "2.00", "3.00");
    assert_eq!(
        market.violations(&request),
        [
            violation(Code::SubtotalMismatch, "/totals/subtotal")
                .figures(money("100.00"), money("1.00")),
            violation(Code::DiscountMismatch, "/totals/discount_total")
                .figures(money("5.00"), money("2.00")),
            violation(Code::TotalMismatch, "/totals/total").figures(money("95.00"), money("3.00")),
        ]
    );
}

#[test]
fn totals_are_not_compared_when_a_line_has_no_known_product() {
    let market = market().selling(product(1));
    let mut request = market.ask(&[(1, 1), (7, 1)]);
    request.totals = totals("99.00", "98.00", "97.00");
    assert_eq!(
        market.violations(&request),
        [at_line(Code::ProductNotFound, "/items/1/product_id", 7)]
    );
}

#[test]
fn totals_are_compared_when_every_line_can_be_priced_however_wrong_it_is() {
    let market = market().selling(product(1).withdrawn().with_moq(5));
    let mut request = market.ask(&[(1, 4)]);
    request.totals.total = money("39.99");
    let codes: Vec<_> = market
        .violations(&request)
        .into_iter()
        .map(|violation| violation.code)
        .collect();
    assert_eq!(
        codes,
        [Code::ProductInactive, Code::MoqNotMet, Code::TotalMismatch]
    );
}

#[test]
fn a_line_worth_more_than_the_database_can_hold_is_more_than_is_sold() {
    let market = market().selling(
        product(1)
            .priced("999999999999.99")
            .with_tier(2, "100")
            .stocked(i32::MAX),
    );
    assert_eq!(market.violations(&market.ask(&[(1, 1)])), []);
    for qty in [2, i32::MAX] {
        let mut request = market.ask(&[(1, 1)]);
        request.content.items[0].qty = qty;
        request.content.items[0].unit_price = None;
        request.content.items[0].line_total = None;
        assert_eq!(
            market.violations(&request),
            [at_line(Code::MaxQtyExceeded, "/items/0/qty", 1)]
        );
    }
}

#[test]
fn a_cart_worth_more_than_the_database_can_hold_is_refused_at_the_line_that_is_too_much() {
    let market = market()
        .selling(product(1).priced("999999999999.98"))
        .selling(product(2).priced("0.02").sold_by(2))
        .selling(product(3).priced("0.01").sold_by(3));
    let refused = market.violations(&market.ask(&[(1, 1), (2, 1), (3, 1)]));
    assert_eq!(
        refused,
        [violation(Code::MaxQtyExceeded, "/items/1/qty")
            .product(product_id(2))
            .vendor(vendor_id(2))]
    );
    // Exactly full: the two others are worth 999,999,999,999.99.
    let full = market.check(&market.ask(&[(1, 1), (3, 1)])).unwrap();
    assert_eq!(full.totals.subtotal, Money::MAX);
}

#[test]
fn a_violation_is_written_without_the_fields_it_has_not() {
    let bare = violation(Code::PaymentMethodNotAllowed, "/payment_method");
    assert_eq!(
        serde_json::to_value(&bare).unwrap(),
        serde_json::json!({"code": "payment_method_not_allowed", "path": "/payment_method"})
    );
    let full = at_line(Code::UnitPriceMismatch, "/items/0/unit_price", 1)
        .figures(money("9.5"), money("10"));
    assert_eq!(
        serde_json::to_value(&full).unwrap(),
        serde_json::json!({
            "code": "unit_price_mismatch",
            "path": "/items/0/unit_price",
            "product_id": "00000000-0000-0000-0000-000020000001",
            "vendor_store_id": "00000000-0000-0000-0000-000010000001",
            "expected": "9.50",
            "actual": "10.00",
        })
    );
    let counted = violation(Code::MoqNotMet, "/items/0/qty").figures(5, 4);
    assert_eq!(
        serde_json::to_value(&counted).unwrap(),
        serde_json::json!({"code": "moq_not_met", "path": "/items/0/qty", "expected": 5, "actual": 4})
    );
}

#[test]
fn a_line_beyond_its_cap_and_beyond_the_database_is_reported_once() {
    let market = market().selling(
        product(1)
            .priced("999999999999.99")
            .capped_at(1)
            .stocked(i32::MAX),
    );
    let mut request = market.ask(&[(1, 1)]);
    request.content.items[0].qty = 2;
    request.content.items[0].unit_price = None;
    request.content.items[0].line_total = None;
    assert_eq!(
        market.violations(&request),
        [at_line(Code::MaxQtyExceeded, "/items/0/qty", 1).figures(1, 2)]
    );
}
