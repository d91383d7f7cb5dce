//! Tiers, line figures and the amounts of store discounts.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::support::{at, cents, discount, in_cents, money, percent, product, tier};
use crate::domain::{
    money::Percent,
    pricing::{DiscountKind, DiscountTerms, LinePrice, price_line, tier_for},
    product::{Product, VolumeTier},
};

fn price(product: &Product, qty: i32) -> LinePrice {
    price_line(product.price, &product.tiers, qty)
}

#[test]
fn without_a_tier_the_list_price_holds() {
    let expected = LinePrice {
        list_price: money("9.99"),
        tier: None,
        unit_price: money("9.99"),
        subtotal: money("29.97"),
        discount: money("0.00"),
        total: money("29.97"),
    };
    assert_eq!(price(&product(1).priced("9.99"), 3), expected);
}

#[test]
fn the_examples_of_the_data_design_come_out() {
    let cheap = product(1).priced("3.75").with_tier(1, "9.2");
    assert_eq!(price(&cheap, 1).discount, money("0.35"));
    let dear = product(2).priced("9.99").with_tier(1, "12.5");
    assert_eq!(price(&dear, 1).unit_price, money("8.74"));
}

#[test]
fn the_unit_price_is_rounded_before_it_is_multiplied() {
    let priced = price(&product(1).priced("9.99").with_tier(10, "12.5"), 10);
    assert_eq!(priced.tier, Some(tier(10, "12.5")));
    assert_eq!(priced.subtotal, money("99.90"));
    // 12.5 % of 99.90 would be 12.49.
    assert_eq!(priced.discount, money("12.50"));
    assert_eq!(priced.total, money("87.40"));
}

#[test]
fn a_tier_holds_from_its_very_quantity_on() {
    let tiers = [tier(10, "5")];
    assert_eq!(tier_for(&tiers, 9), None);
    assert_eq!(tier_for(&tiers, 10), Some(tiers[0]));
    assert_eq!(tier_for(&tiers, 11), Some(tiers[0]));
}

#[test]
fn the_greatest_tier_that_is_reached_holds_even_if_a_smaller_one_gives_more() {
    let tiers = [tier(50, "1"), tier(10, "20"), tier(100, "90")];
    assert_eq!(tier_for(&tiers, 99), Some(tiers[0]));
}

#[test]
fn a_tier_of_all_leaves_nothing_to_pay() {
    let priced = price(&product(1).priced("0.01").with_tier(1, "100"), 7);
    assert_eq!(priced.unit_price, money("0.00"));
    assert_eq!(priced.discount, money("0.07"));
    assert_eq!(priced.total, money("0.00"));
}

#[test]
fn a_tier_never_takes_off_more_than_the_list_price() {
    let priced = price(&product(1).priced("5.00").with_tier(1, "150"), 2);
    assert_eq!(priced.unit_price, money("0.00"));
    assert_eq!(priced.discount, money("10.00"));
}

#[test]
fn a_percentage_of_the_sum_is_rounded_half_away_from_zero() {
    let terms = DiscountTerms::Percentage(percent("2.5"));
    assert_eq!(terms.amount_off(money("0.20")), money("0.01"));
    assert_eq!(terms.amount_off(money("0.19")), money("0.00"));
    assert_eq!(terms.amount_off(money("87.40")), money("2.19"));
}

#[test]
fn a_fixed_discount_is_capped_at_the_sum() {
    let terms = DiscountTerms::Fixed(money("20.00"));
    assert_eq!(terms.amount_off(money("20.01")), money("20.00"));
    assert_eq!(terms.amount_off(money("19.99")), money("19.99"));
    assert_eq!(terms.amount_off(money("0.00")), money("0.00"));
}

#[test]
fn a_value_is_read_by_its_kind_and_written_in_its_notation() {
    for (kind, value, terms, json) in [
        (
            DiscountKind::Percentage,
            "12.5000",
            DiscountTerms::Percentage(percent("12.5")),
            r#""12.5""#,
        ),
        (
            DiscountKind::Fixed,
            "12.5000",
            DiscountTerms::Fixed(money("12.50")),
            r#""12.50""#,
        ),
    ] {
        let read = DiscountTerms::from_columns(kind, value.parse().unwrap());
        assert_eq!(read, terms);
        assert_eq!(read.kind(), kind);
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
}

#[test]
fn a_discount_runs_from_its_start_until_just_before_its_end() {
    let spring = discount(1, "SPRING")
        .starting(at("2026-03-01T00:00:00Z"))
        .ending(at("2026-04-01T00:00:00Z"));
    for (time, runs) in [
        ("2026-02-28T23:59:59.999999Z", false),
        ("2026-03-01T00:00:00Z", true),
        ("2026-03-31T23:59:59.999999Z", true),
        ("2026-04-01T00:00:00Z", false),
    ] {
        assert_eq!(spring.is_running(at(time)), runs, "{time}");
    }
}

#[test]
fn a_discount_without_an_end_runs_until_it_is_switched_off() {
    let forever = discount(1, "FOREVER");
    assert!(forever.is_running(at("2999-01-01T00:00:00Z")));
    assert!(
        !forever
            .switched_off()
            .is_running(at("2026-03-15T12:00:00Z"))
    );
}

/// Tiers with different quantities, shuffled.
fn tiers() -> impl Strategy<Value = Vec<VolumeTier>> {
    proptest::collection::btree_map(1..=60_i32, 1..=1_000_000_i64, 0..6)
        .prop_map(|tiers| {
            tiers
                .into_iter()
                .map(|(min_qty, parts)| VolumeTier {
                    min_qty,
                    discount_percent: Percent::new(Decimal::new(parts, 4)),
                })
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn the_tier_is_the_naive_one_whatever_order_they_are_stored_in(
        (stored, shuffled) in tiers().prop_flat_map(|tiers| (Just(tiers.clone()), Just(tiers).prop_shuffle())),
        qty in 1..=80_i32,
    ) {
        let chosen = tier_for(&stored, qty);
        prop_assert_eq!(tier_for(&shuffled, qty), chosen);
        // Count down from the quantity until a tier begins.
        let naive = (1..=qty)
            .rev()
            .find_map(|least| stored.iter().find(|tier| tier.min_qty == least).copied());
        prop_assert_eq!(chosen, naive);
    }

    #[test]
    fn a_unit_costs_between_nothing_and_the_list_price(
        list_price in 0..=99_999_999_i128,
        tiers in tiers(),
        qty in 1..=80_i32,
    ) {
        let priced = price_line(cents(list_price), &tiers, qty);
        prop_assert!((0..=list_price).contains(&in_cents(priced.unit_price)));
        prop_assert_eq!(priced.subtotal, priced.list_price.times(qty));
        prop_assert_eq!(priced.total, priced.unit_price.times(qty));
        prop_assert_eq!(priced.discount + priced.total, priced.subtotal);
    }

    #[test]
    fn a_store_discount_takes_off_between_nothing_and_the_sum(
        sum in 0..=99_999_999_999_999_i128,
        parts in 0..=1_000_000_i64,
        amount in 0..=99_999_999_999_999_i128,
    ) {
        let share = DiscountTerms::Percentage(Percent::new(Decimal::new(parts, 4)));
        prop_assert!((0..=sum).contains(&in_cents(share.amount_off(cents(sum)))));
        let fixed = DiscountTerms::Fixed(cents(amount));
        prop_assert_eq!(in_cents(fixed.amount_off(cents(sum))), std::cmp::min(amount, sum));
    }
}
