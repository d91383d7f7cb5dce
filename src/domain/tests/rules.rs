//! The rules that a cart must satisfy to be frozen: lines and vendors.

use super::{
    market::market,
    support::{buyer_id, money, product, product_id, totals, vendor, vendor_id, violation},
};
use crate::domain::{
    ids::VendorStoreId,
    store::{KycStatus, LicenseStatus},
    violation::{Violation, ViolationCode as Code},
};

/// A violation about a line's product, which vendor 1 sells.
fn at_line(code: Code, path: &str, product: u32) -> Violation {
    violation(code, path)
        .product(product_id(product))
        .vendor(vendor_id(1))
}

/// PF-075: the example of the HTTP contract, without its store discount.
#[test]
fn a_cart_that_satisfies_every_rule_is_priced_by_us() {
    let market = market().selling(product(1).with_tier(10, "5"));
    let mut request = market.ask(&[(1, 10)]);
    request.totals = totals("100.00", "5.00", "95.00");
    let cart = market.check(&request).unwrap();
    assert_eq!(cart.totals, request.totals);
    assert_eq!(cart.currency, "USD");
    assert_eq!(cart.discounts, []);
    let [line] = &cart.lines[..] else {
        panic!("one line")
    };
    assert_eq!(line.price.list_price, money("10.00"));
    assert_eq!(line.price.unit_price, money("9.50"));
    assert_eq!(line.price.total, money("95.00"));
}

/// PF-075: the snapshot is taken from the catalogue.
#[test]
fn a_line_is_frozen_with_everything_the_catalogue_says_of_it() {
    let mut offered = product(1).with_moq(2).capped_at(50);
    offered.image_url = Some("https://img.example/1.png".to_owned());
    let market = market().selling(offered.clone());
    let cart = market.check(&market.ask(&[(1, 3)])).unwrap();
    let line = &cart.lines[0];
    assert_eq!(line.product_id, offered.id);
    assert_eq!(line.vendor_store_id, offered.vendor_store_id);
    assert_eq!(line.sku, offered.sku);
    assert_eq!(line.title, offered.title);
    assert_eq!(line.unit, offered.unit);
    assert_eq!(line.image_url, offered.image_url);
    assert_eq!((line.qty, line.moq, line.max_qty), (3, 2, Some(50)));
}

#[test]
fn lines_are_frozen_in_the_buyers_order() {
    let market = market()
        .selling(product(1).sold_by(2))
        .selling(product(2))
        .selling(product(3).sold_by(2));
    let cart = market
        .check(&market.ask(&[(3, 1), (1, 1), (2, 1)]))
        .unwrap();
    let order: Vec<_> = cart.lines.iter().map(|line| line.product_id).collect();
    assert_eq!(order, [product_id(3), product_id(1), product_id(2)]);
}

#[test]
fn a_product_that_does_not_exist_is_not_found() {
    let market = market().selling(product(1));
    assert_eq!(
        market.violations(&market.ask(&[(1, 1), (7, 1)])),
        [at_line(Code::ProductNotFound, "/items/1/product_id", 7)]
    );
}

#[test]
fn a_withdrawn_product_is_inactive() {
    let market = market().selling(product(1).withdrawn());
    assert_eq!(
        market.violations(&market.ask(&[(1, 1)])),
        [at_line(Code::ProductInactive, "/items/0/product_id", 1)]
    );
}

#[test]
fn a_product_of_another_vendor_than_the_line_says_is_a_mismatch() {
    let market = market().selling(product(1)).selling(product(2).sold_by(2));
    let mut request = market.ask(&[(1, 1), (2, 1)]);
    request.content.items[1].vendor_store_id = vendor_id(1);
    assert_eq!(
        market.violations(&request),
        [at_line(Code::VendorMismatch, "/items/1/vendor_store_id", 2)]
    );
}

#[test]
fn a_product_asked_for_twice_is_a_duplicate_at_every_repetition() {
    let market = market().selling(product(1));
    assert_eq!(
        market.violations(&market.ask(&[(1, 1), (1, 2), (1, 3)])),
        [
            at_line(Code::DuplicateProduct, "/items/1/product_id", 1),
            at_line(Code::DuplicateProduct, "/items/2/product_id", 1),
        ]
    );
}

/// PF-075, PF-078: MOQ compliance.
#[test]
fn fewer_than_the_moq_are_refused() {
    let market = market().selling(product(1).with_moq(5));
    assert_eq!(
        market.violations(&market.ask(&[(1, 4)])),
        [at_line(Code::MoqNotMet, "/items/0/qty", 1).figures(5, 4)]
    );
    assert_eq!(market.violations(&market.ask(&[(1, 5)])), []);
}

#[test]
fn more_than_the_cap_are_refused() {
    let market = market().selling(product(1).capped_at(5));
    assert_eq!(
        market.violations(&market.ask(&[(1, 6)])),
        [at_line(Code::MaxQtyExceeded, "/items/0/qty", 1).figures(5, 6)]
    );
    assert_eq!(market.violations(&market.ask(&[(1, 5)])), []);
}

/// What the buyer has bought before is no matter of the cart.
#[test]
fn more_than_one_buyer_may_have_are_refused() {
    let market = market().selling(product(1).limited_to(5, None).capped_at(6));
    assert_eq!(
        market.violations(&market.ask(&[(1, 6)])),
        [at_line(Code::PurchaseLimitReached, "/items/0/qty", 1).figures(5, 6)]
    );
    let both = market.violations(&market.ask(&[(1, 7)]));
    let codes: Vec<_> = both.iter().map(|violation| violation.code).collect();
    assert_eq!(codes, [Code::MaxQtyExceeded, Code::PurchaseLimitReached]);
    assert_eq!(market.violations(&market.ask(&[(1, 5)])), []);
}

/// PF-075: availability is validated.
#[test]
fn more_than_there_are_is_insufficient_inventory() {
    let market = market().selling(product(1).stocked(5));
    assert_eq!(
        market.violations(&market.ask(&[(1, 6)])),
        [at_line(Code::InsufficientInventory, "/items/0/qty", 1).figures(5, 6)]
    );
    assert_eq!(market.violations(&market.ask(&[(1, 5)])), []);
}

/// PF-075: cart totals are validated.
/// PF-075: vendors are validated, each once.
#[test]
fn a_vendor_that_may_not_sell_is_reported_once_at_its_first_line() {
    let market = market()
        .with(vendor(2).license_is(LicenseStatus::Expired))
        .with(vendor(3).unsubscribed())
        .with(vendor(4).seated_in("TX"))
        .selling(product(1))
        .selling(product(2).sold_by(2))
        .selling(product(3).sold_by(3))
        .selling(product(4).sold_by(4))
        .selling(product(5).sold_by(2));
    let at = |code, path: &str, number| violation(code, path).vendor(vendor_id(number));
    assert_eq!(
        market.violations(&market.ask(&[(1, 1), (4, 1), (2, 1), (5, 1), (3, 1)])),
        [
            at(Code::VendorStateMismatch, "/items/1/vendor_store_id", 4),
            at(Code::VendorLicenseInvalid, "/items/2/vendor_store_id", 2),
            at(
                Code::VendorSubscriptionInactive,
                "/items/4/vendor_store_id",
                3
            ),
        ]
    );
}

#[test]
fn all_reasons_against_a_vendor_are_violations() {
    let refused = vendor(1).seated_in("TX").known_as(KycStatus::Suspended);
    let market = market().with(refused.unsubscribed()).selling(product(1));
    let codes: Vec<_> = market
        .violations(&market.ask(&[(1, 1)]))
        .into_iter()
        .map(|violation| violation.code)
        .collect();
    assert_eq!(
        codes,
        [
            Code::VendorLicenseInvalid,
            Code::VendorSubscriptionInactive,
            Code::VendorStateMismatch,
        ]
    );
}

/// PF-078: buyer vs vendor store.
#[test]
fn a_buyer_can_not_sell_to_itself() {
    let mut offered = product(1);
    offered.vendor_store_id = VendorStoreId::new(buyer_id().uuid());
    let mut market = market();
    let itself = market.buyer.clone();
    market
        .catalog
        .vendors
        .insert(offered.vendor_store_id, itself);
    let market = market.selling(offered);
    let codes: Vec<_> = market
        .violations(&market.ask(&[(1, 1)]))
        .into_iter()
        .map(|violation| violation.code)
        .collect();
    assert_eq!(
        codes,
        [Code::VendorLicenseInvalid, Code::VendorSubscriptionInactive]
    );
}

/// PF-075: a buyer can repair the cart in one go.
#[test]
fn all_violations_come_at_once_and_in_order() {
    let market = market()
        .with(vendor(2).unsubscribed())
        .selling(product(1).with_moq(5).capped_at(6).stocked(3))
        .selling(product(2).sold_by(2).withdrawn())
        .selling(product(3));
    let mut request = market.ask_with(&[(1, 4), (2, 1), (1, 7), (3, 1)], &[(3, "NONE")]);
    request.content.currency = "EUR".to_owned();
    request.content.items[3].unit_price = Some(money("1.00"));
    request.content.items[3].line_total = Some(money("2.00"));
    request.totals = totals("0.00", "0.01", "0.00");
    let found: Vec<_> = market
        .violations(&request)
        .into_iter()
        .map(|violation| (violation.code, violation.path))
        .collect();
    let expected = [
        (Code::CurrencyUnsupported, "/currency"),
        (Code::MoqNotMet, "/items/0/qty"),
        (Code::InsufficientInventory, "/items/0/qty"),
        (Code::ProductInactive, "/items/1/product_id"),
        (Code::DuplicateProduct, "/items/2/product_id"),
        (Code::MaxQtyExceeded, "/items/2/qty"),
        (Code::InsufficientInventory, "/items/2/qty"),
        (Code::UnitPriceMismatch, "/items/3/unit_price"),
        (Code::LineTotalMismatch, "/items/3/line_total"),
        (Code::VendorSubscriptionInactive, "/items/1/vendor_store_id"),
        (Code::DiscountNotFound, "/discounts/0/code"),
        (Code::SubtotalMismatch, "/totals/subtotal"),
        (Code::DiscountMismatch, "/totals/discount_total"),
        (Code::TotalMismatch, "/totals/total"),
    ];
    assert_eq!(found, expected.map(|(code, path)| (code, path.to_owned())));
}

#[test]
fn a_vendor_that_nobody_knows_may_not_sell() {
    let mut market = market().selling(product(1));
    market.catalog.vendors.clear();
    assert_eq!(
        market.violations(&market.ask(&[(1, 1)])),
        [violation(Code::VendorLicenseInvalid, "/items/0/vendor_store_id").vendor(vendor_id(1))]
    );
}

#[test]
fn a_vendor_made_up_for_a_product_is_a_mismatch_and_nothing_more() {
    let market = market().selling(product(1));
    let mut request = market.ask(&[(1, 1)]);
    request.content.items[0].vendor_store_id = vendor_id(9);
    assert_eq!(
        market.violations(&request),
        [violation(Code::VendorMismatch, "/items/0/vendor_store_id")
            .product(product_id(1))
            .vendor(vendor_id(9))]
    );
}
