//! Amounts and percentages.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::support::{cents, in_cents, money, percent};
use crate::domain::money::{Money, NotMoney};

#[test]
fn the_greatest_amount_is_what_numeric_14_2_can_hold() {
    assert_eq!(Money::MAX.to_string(), "999999999999.99");
    assert_eq!(money("999999999999.99"), Money::MAX);
}

#[test]
fn money_is_printed_with_two_decimals_however_it_was_written() {
    for (written, printed) in [
        ("7", "7.00"),
        ("7.5", "7.50"),
        ("0.05", "0.05"),
        ("007.10", "7.10"),
        ("0", "0.00"),
    ] {
        assert_eq!(money(written).to_string(), printed);
    }
}

#[test]
fn what_is_no_plain_amount_is_refused() {
    for text in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "-0.00",
        "+1",
        "1.234",
        "1.000",
        "1.2.3",
        "1e3",
        "1,000.00",
        "1,50",
        " 1",
        "1 ",
        "1\n",
        "NaN",
        "inf",
        "١",
        "１",
        "1000000000000",
        "0x10",
        "1_0",
    ] {
        assert_eq!(text.parse::<Money>(), Err(NotMoney), "{text:?}");
    }
}

#[test]
fn a_share_is_rounded_half_away_from_zero() {
    // The examples of the data design: 3.75 at 9.2 %, and 9.99 at 12.5 %.
    assert_eq!(money("3.75").share(percent("9.2")), money("0.35"));
    assert_eq!(money("9.99").share(percent("12.5")), money("1.25"));
    // Exactly half a cent, with an even and an odd cent before it.
    assert_eq!(money("0.10").share(percent("5")), money("0.01"));
    assert_eq!(money("0.50").share(percent("5")), money("0.03"));
    assert_eq!(money("0.10").share(percent("4.9999")), money("0.00"));
}

#[test]
fn a_negative_amount_is_rounded_away_from_zero_too() {
    let rounded = |text: &str| Money::rounded(text.parse::<Decimal>().unwrap()).to_string();
    assert_eq!(rounded("-0.125"), "-0.13");
    assert_eq!(rounded("0.125"), "0.13");
    assert_eq!(rounded("0.124999"), "0.12");
}

#[test]
fn the_greatest_share_and_multiple_stay_exact() {
    assert_eq!(Money::MAX.share(percent("100")), Money::MAX);
    assert_eq!(
        Money::MAX.times(i32::MAX).to_string(),
        "2147483646999978525163.53"
    );
}

#[test]
fn in_json_money_and_percentages_are_strings() {
    assert_eq!(
        serde_json::to_string(&money("1234.5")).unwrap(),
        r#""1234.50""#
    );
    assert_eq!(
        serde_json::to_string(&percent("12.5000")).unwrap(),
        r#""12.5""#
    );
    assert_eq!(serde_json::to_string(&percent("100")).unwrap(), r#""100""#);
}

#[test]
fn nothing_is_left_of_an_amount_taken_from_itself() {
    let rest = money("3.10") - money("3.10");
    assert!(rest.is_zero());
    assert_eq!(rest.to_string(), "0.00");
    assert!(!money("0.01").is_zero());
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_to_the_same_amount(
        count in 0..=99_999_999_999_999_i128,
    ) {
        let amount = cents(count);
        let printed = amount.to_string();
        prop_assert_eq!(printed.parse::<Money>(), Ok(amount));
        prop_assert_eq!(printed.replace('.', "").parse::<i128>(), Ok(count));
    }

    #[test]
    fn what_is_parsed_is_printed_in_two_decimals_and_within_bounds(text in "[0-9.e+-]{0,16}") {
        if let Ok(amount) = text.parse::<Money>() {
            prop_assert!(amount >= Money::ZERO && amount <= Money::MAX);
            let (_, decimals) = amount.to_string().split_once('.').map(|(whole, rest)| {
                (whole.to_owned(), rest.to_owned())
            }).unwrap();
            prop_assert_eq!(decimals.len(), 2);
            prop_assert_eq!(text.parse::<Decimal>().unwrap(), amount.decimal());
        }
    }

    #[test]
    fn a_share_is_off_by_half_a_cent_at_most(
        count in 0..=99_999_999_999_999_i128,
        parts in 0..=1_000_000_i64,
    ) {
        let share = cents(count).share(crate::domain::money::Percent::new(Decimal::new(parts, 4)));
        let error = 1_000_000 * in_cents(share) - count * i128::from(parts);
        prop_assert!(-500_000 < error && error <= 500_000, "off by {error} millionths of a cent");
    }

    #[test]
    fn so_many_units_cost_the_sum_of_their_prices(
        count in 0..=99_999_999_i128,
        qty in 1..=200_i32,
    ) {
        let sum: Money = (0..qty).map(|_| cents(count)).sum();
        prop_assert_eq!(cents(count).times(qty), sum);
    }
}
