//! Money and percentages: exact decimals, rounded in one function.

use std::{fmt, iter::Sum, ops, str::FromStr};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The digits before the point that `numeric(14,2)` can hold.
const INTEGER_DIGITS_MAX: usize = 12;

/// An amount of money in the currency of its cart or order, with exactly two decimals.
///
/// Amounts are strings such as `"1234.50"` in JSON and in text, and `numeric(14,2)` in PostgreSQL.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema, sqlx::Type,
)]
#[schema(
    description = "An amount of money with exactly two decimals.",
    value_type = String,
    pattern = r"^[0-9]+\.[0-9]{2}$",
    example = "12.50",
)]
#[sqlx(transparent)]
pub struct Money(Decimal);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The greatest amount that the database can hold: `999999999999.99`.
    pub const MAX: Self = Self(Decimal::from_parts(276_447_231, 23_283, 0, false, 2));

    /// Rounds a decimal to money: two decimals, half away from zero. No other function rounds.
    pub fn rounded(amount: Decimal) -> Self {
        Self(amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
    }

    /// The amount as a decimal.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// A share of the amount, rounded.
    #[must_use]
    pub fn share(self, percent: Percent) -> Self {
        Self::rounded(self.0 * percent.0 / Decimal::ONE_HUNDRED)
    }

    /// The amount for so many units. Exact: two decimals times an integer.
    #[must_use]
    pub fn times(self, qty: i32) -> Self {
        Self(self.0 * Decimal::from(qty))
    }

    /// True if the amount is 0.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl ops::Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl ops::Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, ops::Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The error of a text that is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an amount such as \"12.50\": digits, at most 12 before and 2 after the point")]
pub struct NotMoney;

impl FromStr for Money {
    type Err = NotMoney;

    /// Takes `12`, `12.5` and `12.50`; refuses signs, exponents, spaces and thousands separators.
    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let plain = digits(integer) && digits(fraction);
        let fits =
            (1..=INTEGER_DIGITS_MAX).contains(&integer.len()) && (1..=2).contains(&fraction.len());
        if !(plain && fits) {
            return Err(NotMoney);
        }
        let mut amount = Decimal::from_str_exact(text).map_err(|_| NotMoney)?;
        amount.rescale(2);
        Ok(Self(amount))
    }
}

/// A percentage, 0 to 100 with at most four decimals. In JSON a string without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema, sqlx::Type)]
#[schema(
    description = "A percentage, 0 to 100, without trailing zeros.",
    value_type = String,
    pattern = r"^[0-9]{1,3}(\.[0-9]{1,4})?$",
    example = "7.5",
)]
#[sqlx(transparent)]
pub struct Percent(Decimal);

impl Percent {
    /// Wraps a percentage that the database or a constant has already bounded.
    pub const fn new(percent: Decimal) -> Self {
        Self(percent)
    }

    /// The percentage as a decimal, 0 to 100.
    pub const fn decimal(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.normalize().fmt(f)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
