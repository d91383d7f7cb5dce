//! Amounts, and the contents of any field of an imported file.

use catalogue::import_rules::{Format, Kind};
use splitcart::domain::money::Money;

use crate::fuzz_support::{self, fuzz};

const WORDS: &[&str] = &[
    ".",
    "0",
    "9",
    "-",
    "+",
    "e",
    ",",
    "_",
    " ",
    "٣",
    "00",
    "000000000000",
    "T",
    "Z",
    "+14:00",
    "-23:59",
    "23:59:60",
    "2026-11-25",
    "1900-01-01",
    "2999-12-31",
    "{",
    "}",
    "\":\"",
    "\\u0000",
    "\0",
    "@",
    "TX",
];

fuzz!("money", WORDS, check);

/// An amount is digits and has their value; a field that a format has written is read back unchanged.
fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let cents = cents(&text);
    let money = text.parse::<Money>().ok();
    assert_eq!(money.is_some(), cents.is_some(), "{text}");
    if let (Some(money), Some(cents)) = (money, cents) {
        assert_eq!(
            money.to_string(),
            format!("{}.{:02}", cents / 100, cents % 100)
        );
        assert_eq!(money.to_string().parse::<Money>(), Ok(money));
        assert!(money >= Money::ZERO && money <= Money::MAX);
    }
    for kind in Kind::ALL {
        for column in kind.spec().columns {
            check_format(column.format, &text);
        }
    }
}

fn check_format(format: Format, text: &str) {
    match format.read(text) {
        Ok(read) => {
            assert!(!read.contains('\0'), "PostgreSQL can't keep {read:?}");
            let again = format.read(&read);
            assert_eq!(again.as_deref(), Ok(&*read), "{format:?} of {text:?}");
        }
        Err(problem) => assert!(problem.len() < 1_000, "{problem}"),
    }
}

/// The value computed by hand: up to twelve digits, and perhaps a point with one or two digits after it.
fn cents(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if (1..=2).contains(&fraction.len()) => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=12).contains(&whole.len()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<2}").parse().ok()
}
