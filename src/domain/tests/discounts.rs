//! Store discounts in a cart: which code is granted, on what sum, and what is said otherwise.

use super::{
    market::{Market, market},
    support::{at, discount, money, percent, product, product_id, totals, vendor_id, violation},
};
use crate::domain::{
    cart::GrantedDiscount,
    pricing::{DiscountTerms, StoreDiscount},
    violation::{Violation, ViolationCode as Code},
};

/// Vendor 1 sells product 1 at 10.00 and grants a discount.
fn market_granting(discount: StoreDiscount) -> Market {
    market().selling(product(1)).granting(discount)
}

/// A violation about vendor 1's discount, the first one asked for.
fn refused(code: Code) -> Violation {
    violation(code, "/discounts/0/code").vendor(vendor_id(1))
}

/// A request for ten of product 1 with a code, whose totals have no discount.
fn violations_without(market: &Market, code: &str) -> Vec<Violation> {
    let mut request = market.ask_with(&[(1, 10)], &[(1, code)]);
    request.totals = totals("100.00", "0.00", "100.00");
    market.violations(&request)
}

/// PF-075: the example of the HTTP contract.
#[test]
fn a_discount_is_taken_off_the_sum_after_tiers() {
    let market = market()
        .selling(product(1).with_tier(10, "5"))
        .granting(discount(1, "SPRING"));
    let mut request = market.ask_with(&[(1, 10)], &[(1, "SPRING")]);
    request.totals = totals("100.00", "14.50", "85.50");
    let cart = market.check(&request).unwrap();
    assert_eq!(cart.totals, request.totals);
    assert_eq!(
        cart.discounts,
        [GrantedDiscount {
            vendor_store_id: vendor_id(1),
            code: "SPRING".to_owned(),
            title: "Discount SPRING".to_owned(),
            terms: DiscountTerms::Percentage(percent("10")),
            amount: money("9.50"),
        }]
    );
}

#[test]
fn a_code_is_kept_in_the_vendors_spelling() {
    let market = market_granting(discount(1, "SpringSale"));
    for written in ["SpringSale", "springsale", "SPRINGSALE", " SpringSale "] {
        let request = market.ask_with(&[(1, 10)], &[(1, written)]);
        let cart = market.check(&request).unwrap();
        assert_eq!(cart.discounts[0].code, "SpringSale", "{written}");
    }
}

#[test]
fn a_code_that_the_vendor_does_not_have_is_not_found() {
    let market = market().selling(product(1));
    assert_eq!(
        violations_without(&market, "SPRING"),
        [refused(Code::DiscountNotFound)]
    );
}

#[test]
fn another_code_than_the_one_that_was_found_is_not_found() {
    let market = market_granting(discount(1, "SPRING"));
    for written in ["SPRIN", "SPR ING", "SUMMER", ""] {
        assert_eq!(
            violations_without(&market, written),
            [refused(Code::DiscountNotFound)],
            "{written:?}"
        );
    }
}

#[test]
fn a_code_of_a_vendor_without_a_line_is_not_found() {
    let market = market()
        .selling(product(1))
        .selling(product(2).sold_by(2))
        .granting(discount(2, "SPRING"));
    let request = market.ask_with(&[(1, 10)], &[(2, "SPRING")]);
    assert_eq!(
        market.violations(&request),
        [violation(Code::DiscountNotFound, "/discounts/0/code").vendor(vendor_id(2))]
    );
}

#[test]
fn a_discount_that_does_not_run_is_inactive_and_counts_as_not_there() {
    for not_running in [
        discount(1, "SPRING").switched_off(),
        discount(1, "SPRING").starting(at("2026-03-15T12:00:00.000001Z")),
        discount(1, "SPRING").ending(at("2026-03-15T12:00:00Z")),
    ] {
        assert_eq!(
            violations_without(&market_granting(not_running), "SPRING"),
            [refused(Code::DiscountInactive)]
        );
    }
}

#[test]
fn a_discount_may_start_this_instant_and_end_in_the_next() {
    let market = market_granting(
        discount(1, "SPRING")
            .starting(at("2026-03-15T12:00:00Z"))
            .ending(at("2026-03-15T12:00:00.000001Z")),
    );
    let request = market.ask_with(&[(1, 10)], &[(1, "SPRING")]);
    assert_eq!(market.violations(&request), []);
}

#[test]
fn the_least_sum_is_judged_by_the_vendors_line_totals_after_tiers() {
    let spring = discount(1, "SPRING").needing("95.01");
    let market = market()
        .selling(product(1).with_tier(10, "5"))
        .selling(product(2).sold_by(2).priced("500.00"))
        .granting(spring);
    let mut request = market.ask_with(&[(1, 10), (2, 1)], &[(1, "SPRING")]);
    // The list prices come to 100.00, and the whole cart to 595.00, but that is not asked.
    request.totals = totals("600.00", "5.00", "595.00");
    assert_eq!(
        market.violations(&request),
        [refused(Code::DiscountMinSubtotal).figures(money("95.01"), money("95.00"))]
    );
}

#[test]
fn a_sum_that_just_reaches_the_least_one_is_enough() {
    let market = market_granting(discount(1, "SPRING").needing("100.00"));
    let request = market.ask_with(&[(1, 10)], &[(1, "SPRING")]);
    assert_eq!(market.violations(&request), []);
}

#[test]
fn totals_are_compared_as_if_a_refused_discount_were_not_there() {
    let market = market_granting(discount(1, "SPRING").switched_off());
    let mut request = market.ask_with(&[(1, 10)], &[(1, "SPRING")]);
    request.totals = totals("100.00", "10.00", "90.00");
    assert_eq!(
        market.violations(&request),
        [
            refused(Code::DiscountInactive),
            violation(Code::DiscountMismatch, "/totals/discount_total")
                .figures(money("0.00"), money("10.00")),
            violation(Code::TotalMismatch, "/totals/total")
                .figures(money("100.00"), money("90.00")),
        ]
    );
}

#[test]
fn a_fixed_discount_makes_the_vendors_lines_free_at_most() {
    let market = market_granting(discount(1, "BIG").of_amount("500.00"))
        .selling(product(2).sold_by(2).priced("3.00"));
    let mut request = market.ask_with(&[(1, 1), (2, 1)], &[(1, "BIG")]);
    request.totals = totals("13.00", "10.00", "3.00");
    let cart = market.check(&request).unwrap();
    assert_eq!(cart.discounts[0].amount, money("10.00"));
}

#[test]
fn each_vendor_grants_its_own_discount_on_its_own_lines() {
    let market = market()
        .selling(product(1).priced("0.33"))
        .selling(product(2).sold_by(2).priced("7.00"))
        .selling(product(3).priced("0.42"))
        .granting(discount(1, "A").of_percent("50"))
        .granting(discount(2, "B").of_amount("1.00"));
    let mut request = market.ask_with(&[(1, 1), (2, 1), (3, 1)], &[(2, "B"), (1, "A")]);
    // Half of 0.75 is 0.375, so 0.38.
    request.totals = totals("7.75", "1.38", "6.37");
    let cart = market.check(&request).unwrap();
    let granted: Vec<_> = cart
        .discounts
        .iter()
        .map(|granted| (granted.vendor_store_id, granted.amount))
        .collect();
    assert_eq!(
        granted,
        [(vendor_id(2), money("1.00")), (vendor_id(1), money("0.38"))]
    );
}

#[test]
fn a_share_is_rounded_once_for_the_vendor_not_once_per_line() {
    let market = market()
        .selling(product(1).priced("0.05"))
        .selling(product(2).priced("0.05"))
        .granting(discount(1, "A"));
    let mut request = market.ask_with(&[(1, 1), (2, 1)], &[(1, "A")]);
    // Two times 0.005 would be rounded to 0.02.
    request.totals = totals("0.10", "0.01", "0.09");
    assert_eq!(market.violations(&request), []);
}

#[test]
fn a_discount_says_nothing_more_where_no_line_of_its_vendor_can_be_priced() {
    let market = market_granting(discount(1, "SPRING").needing("50.00"));
    let request = market.ask_with(&[(7, 1)], &[(1, "SPRING")]);
    assert_eq!(
        market.violations(&request),
        [violation(Code::ProductNotFound, "/items/0/product_id")
            .product(product_id(7))
            .vendor(vendor_id(1))]
    );
}

#[test]
fn the_least_sum_is_not_judged_while_a_line_of_the_vendor_can_not_be_priced() {
    let market = market_granting(discount(1, "SPRING").needing("50.00"));
    let request = market.ask_with(&[(1, 1), (7, 100)], &[(1, "SPRING")]);
    // 10.00 is too little, but the other line may well make up for it.
    assert_eq!(
        market.violations(&request),
        [violation(Code::ProductNotFound, "/items/1/product_id")
            .product(product_id(7))
            .vendor(vendor_id(1))]
    );
}
