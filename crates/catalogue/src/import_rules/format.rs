//! The formats of fields, and the one way in which each value is written for the database.
//!
//! A format is at least as strict as the column's type and CHECK in the database, so that no field
//! can fail a whole `COPY`; a test holds them against each other.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use splitcart::domain::{money::Money, store::UsState};

/// The most characters of what things are known by: a SKU, a code, a licence's number.
const NAME_CHARS_MAX: usize = 100;
/// The most characters of any other text.
const TEXT_CHARS_MAX: usize = 1000;
/// The most characters that an address for mail can have.
const EMAIL_CHARS_MAX: usize = 254;
/// The most bytes of a JSON object.
const OBJECT_BYTES_MAX: usize = 4000;
/// Dates outside of these years are typing errors.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2999;

/// The format of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Id,
    Name,
    Text,
    Email,
    State,
    Money,
    Percent,
    DiscountValue,
    Quantity { least: i32 },
    Days { most: i32 },
    Flag,
    Date,
    Time,
    OneOf(&'static [&'static str]),
    Object,
}

impl Format {
    /// An empty field is a value like any other.
    pub const fn takes_empty(self) -> bool {
        matches!(self, Self::Text)
    }

    /// Reads a field and returns it as the database is to read it.
    ///
    /// # Errors
    /// A clause that completes "this field …".
    pub fn read(self, text: &str) -> Result<Cow<'_, str>, String> {
        let value = match self {
            Self::Id => Uuid::try_parse(text).ok().map(|id| id.to_string().into()),
            Self::Name => is_name(text).then(|| text.into()),
            Self::Text => is_text(text).then(|| text.into()),
            Self::Email => is_email(text).then(|| text.into()),
            Self::State => UsState::parse(text).map(|state| state.to_string().into()),
            Self::Money => text
                .parse::<Money>()
                .ok()
                .map(|price| price.to_string().into()),
            Self::Percent => decimal(text, 3)
                .filter(|percent| !percent.is_zero() && *percent <= Decimal::ONE_HUNDRED)
                .map(|percent| percent.to_string().into()),
            Self::DiscountValue => decimal(text, 10).map(|value| value.to_string().into()),
            Self::Quantity { least } => whole(text)
                .filter(|qty| *qty >= least)
                .map(|qty| qty.to_string().into()),
            Self::Days { most } => whole(text)
                .filter(|days| (1..=most).contains(days))
                .map(|days| days.to_string().into()),
            Self::Flag => matches!(text, "true" | "false").then(|| text.into()),
            Self::Date => date(text).map(|date| date.to_string().into()),
            Self::Time => time(text).map(Into::into),
            Self::OneOf(allowed) => allowed.contains(&text).then(|| text.into()),
            Self::Object => is_object(text).then(|| text.into()),
        };
        value.ok_or_else(|| format!("must be {self}"))
    }
}

/// Completes "must be …".
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("a UUID"),
            Self::Name => write!(
                f,
                "1 to {NAME_CHARS_MAX} printable characters, with no space at either end"
            ),
            Self::Text => write!(
                f,
                "text of at most {TEXT_CHARS_MAX} characters, all of them printable"
            ),
            Self::Email => write!(
                f,
                "an address such as ann@example.com, of at most {EMAIL_CHARS_MAX} characters"
            ),
            Self::State => f.write_str("two capitals such as OK"),
            Self::Money => f.write_str(
                "an amount such as 12.50: digits, at most 12 before and 2 after the point",
            ),
            Self::Percent => f.write_str(
                "a percentage such as 7.5: more than 0, at most 100, at most 4 digits after the point",
            ),
            Self::DiscountValue => f.write_str(
                "a number such as 10 or 7.5: digits, at most 10 before and 4 after the point",
            ),
            Self::Quantity { least } => write!(f, "a whole number from {least} to {}", i32::MAX),
            Self::Days { most } => write!(f, "a number of days from 1 to {most}"),
            Self::Flag => f.write_str("true or false"),
            Self::Date => write!(
                f,
                "a date such as 2026-11-25, between {} and {}",
                YEARS.start(),
                YEARS.end()
            ),
            Self::Time => write!(
                f,
                "a time with its offset such as 2026-11-25T08:00:00Z, between {} and {}",
                YEARS.start(),
                YEARS.end()
            ),
            Self::OneOf(allowed) => write!(f, "one of {}", allowed.join(", ")),
            Self::Object => write!(
                f,
                "a JSON object of at most {OBJECT_BYTES_MAX} bytes, its texts printable"
            ),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.chars().count())
        && text.trim() == text
        && text.chars().all(is_printable)
}

fn is_text(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX && text.chars().all(is_printable)
}

/// True of a character that affects nothing but its own place where it is printed: no control character (a
/// terminal obeys them, and PostgreSQL can't keep a NUL), no end of a line, none that changes the direction
/// in which others are read.
fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A check of the form only: nothing is sent.
fn is_email(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || !is_printable(c))
    };
    text.chars().count() <= EMAIL_CHARS_MAX
        && text
            .split_once('@')
            .is_some_and(|(mailbox, host)| plain(mailbox) && plain(host) && !host.contains('@'))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn whole(text: &str) -> Option<i32> {
    is_digits(text).then(|| text.parse().ok()).flatten()
}

/// Not negative, with at most four decimals: what `numeric(…,4)` holds.
fn decimal(text: &str, integer_digits_max: usize) -> Option<Decimal> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fits = (1..=integer_digits_max).contains(&integer.len())
        && (1..=4).contains(&fraction.len())
        && is_digits(integer)
        && is_digits(fraction);
    fits.then(|| Decimal::from_str_exact(text).ok()).flatten()
}

fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (text.len() == 10 && YEARS.contains(&date.year())).then_some(date)
}

fn time(text: &str) -> Option<String> {
    // Its offset may move it into another year.
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    YEARS.contains(&time.year()).then(|| time.to_rfc3339())
}

/// A check only: the text itself is kept, because parsing would lose digits of its numbers.
fn is_object(text: &str) -> bool {
    text.len() <= OBJECT_BYTES_MAX
        && serde_json::from_str::<Map<String, Value>>(text)
            .is_ok_and(|object| is_printable_json(&Value::Object(object)))
}

fn is_printable_json(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().all(is_printable),
        Value::Array(list) => list.iter().all(is_printable_json),
        Value::Object(object) => object
            .iter()
            .all(|(name, value)| name.chars().all(is_printable) && is_printable_json(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
