//! Grouping a cart by vendor, and the figures of each group.

use super::{
    market::market,
    support::{discount, money, product, product_id, totals, vendor_id},
};
use crate::domain::cart::{CURRENCIES, LINES_MAX, Totals, group_by_vendor};

/// PF-078: items are grouped by vendor.
#[test]
fn vendors_ascend_and_lines_keep_their_order_however_they_were_sent() {
    let market = market()
        .selling(product(1).sold_by(3))
        .selling(product(2).sold_by(1))
        .selling(product(3).sold_by(2))
        .selling(product(4).sold_by(3))
        .selling(product(5).sold_by(1));
    let cart = market.freeze(&market.ask(&[(4, 1), (5, 1), (3, 1), (1, 1), (2, 1)]));
    let groups: Vec<_> = group_by_vendor(cart.items.iter().map(|(_, line)| line))
        .into_iter()
        .map(|(vendor, lines)| {
            let products: Vec<_> = lines.iter().map(|line| line.product_id).collect();
            (vendor, products)
        })
        .collect();
    assert_eq!(
        groups,
        [
            (vendor_id(1), vec![product_id(5), product_id(2)]),
            (vendor_id(2), vec![product_id(3)]),
            (vendor_id(3), vec![product_id(4), product_id(1)]),
        ]
    );
}

/// PF-078: totals per vendor are computed by us.
#[test]
fn each_vendors_group_has_its_figures_and_its_discount() {
    let market = market()
        .selling(product(1).sold_by(2).with_tier(10, "5"))
        .selling(product(2).sold_by(1).priced("3.00"))
        .selling(product(3).sold_by(2).priced("1.00"))
        .granting(discount(2, "SPRING"));
    let request = market.ask_with(&[(1, 10), (2, 1), (3, 5)], &[(2, "SPRING")]);
    let cart = market.freeze(&request);
    let groups = cart.vendor_groups();
    let figures: Vec<_> = groups
        .iter()
        .map(|group| (group.vendor_store_id, group.totals))
        .collect();
    assert_eq!(
        figures,
        [
            (vendor_id(1), totals("3.00", "0.00", "3.00")),
            (vendor_id(2), totals("105.00", "15.00", "90.00")),
        ]
    );
    assert_eq!(groups[0].store_discount, None);
    assert_eq!(groups[1].store_discount, Some(&cart.discounts[0]));
    assert_eq!(cart.discounts[0].amount, money("10.00"));
}

#[test]
fn figures_are_summed_each_for_itself() {
    let sum: Totals = [
        totals("3.00", "1.00", "2.00"),
        totals("0.50", "0.25", "0.25"),
    ]
    .into_iter()
    .sum();
    assert_eq!(sum, totals("3.50", "1.25", "2.25"));
    assert_eq!([].into_iter().sum::<Totals>(), Totals::default());
}

#[test]
fn a_cart_has_200_lines_at_most_and_is_priced_in_dollars() {
    assert_eq!(LINES_MAX, 200);
    assert_eq!(CURRENCIES, ["USD"]);
}
