//! Prices: volume tiers of a line, store discounts of a vendor.
//!
//! Money is rounded to two decimals, half away from zero, once per unit price and once per store discount.
//! The figures of a line include its tier and nothing else; store discounts are in the vendor's figures.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{
    folding::Folded,
    ids::VendorStoreId,
    money::{Money, Percent},
    product::VolumeTier,
};

/// The figures of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePrice {
    /// The price of a unit before the tier.
    pub list_price: Money,
    /// The tier that holds for the quantity, if one does.
    pub tier: Option<VolumeTier>,
    /// The price of a unit after the tier.
    pub unit_price: Money,
    /// List price x quantity.
    pub subtotal: Money,
    /// The amount that the tier takes off the whole line.
    pub discount: Money,
    /// Unit price x quantity.
    pub total: Money,
}

impl LinePrice {
    /// The figures of a part of the line, at the same price per unit: the tier was granted for the whole.
    #[must_use]
    pub fn of_part(self, qty: i32) -> Self {
        Self {
            subtotal: self.list_price.times(qty),
            discount: (self.list_price - self.unit_price).times(qty),
            total: self.unit_price.times(qty),
            ..self
        }
    }
}

/// The tier with the greatest `min_qty` that the quantity reaches, whatever order they come in.
pub fn tier_for(tiers: &[VolumeTier], qty: i32) -> Option<VolumeTier> {
    tiers
        .iter()
        .filter(|tier| tier.min_qty <= qty)
        .max_by_key(|tier| tier.min_qty)
        .copied()
}

/// Prices a line.
pub fn price_line(list_price: Money, tiers: &[VolumeTier], qty: i32) -> LinePrice {
    let tier = tier_for(tiers, qty);
    let off_per_unit = tier
        .map_or(Money::ZERO, |tier| list_price.share(tier.discount_percent))
        .min(list_price);
    let unit_price = list_price - off_per_unit;
    LinePrice {
        list_price,
        tier,
        unit_price,
        subtotal: list_price.times(qty),
        discount: off_per_unit.times(qty),
        total: unit_price.times(qty),
    }
}

/// The terms of a store discount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscountTerms {
    /// A share of the vendor's sum of line totals.
    Percentage(Percent),
    /// An amount, at most the vendor's sum.
    Fixed(Money),
}

impl DiscountTerms {
    /// Reads the pair of columns `kind` and `value`.
    pub fn from_columns(kind: DiscountKind, value: Decimal) -> Self {
        match kind {
            DiscountKind::Percentage => Self::Percentage(Percent::new(value)),
            DiscountKind::Fixed => Self::Fixed(Money::rounded(value)),
        }
    }

    /// The kind of discount.
    pub const fn kind(self) -> DiscountKind {
        match self {
            Self::Percentage(_) => DiscountKind::Percentage,
            Self::Fixed(_) => DiscountKind::Fixed,
        }
    }

    /// The column `value`.
    pub const fn value(self) -> Decimal {
        match self {
            Self::Percentage(percent) => percent.decimal(),
            Self::Fixed(amount) => amount.decimal(),
        }
    }

    /// The amount off a sum of line totals; never more than the sum.
    pub fn amount_off(self, sum: Money) -> Money {
        match self {
            Self::Percentage(percent) => sum.share(percent),
            Self::Fixed(amount) => amount.min(sum),
        }
    }
}

/// The value in its own notation: a percentage without trailing zeros, or money.
impl Serialize for DiscountTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Percentage(percent) => percent.serialize(serializer),
            Self::Fixed(amount) => amount.serialize(serializer),
        }
    }
}

/// The two kinds of store discount, as the database names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DiscountKind {
    Percentage,
    Fixed,
}

/// A vendor's discount code as the catalogue has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDiscount {
    pub vendor_store_id: VendorStoreId,
    /// The code in the vendor's own spelling. Codes are compared without regard to case.
    pub code: String,
    pub title: String,
    pub terms: DiscountTerms,
    /// The least sum of line totals for which the discount is granted.
    pub min_subtotal: Money,
    pub starts_at: DateTime<Utc>,
    /// The end of the discount (exclusive); `None` if it has none.
    pub ends_at: Option<DateTime<Utc>>,
    /// False if the vendor has switched the discount off.
    pub is_active: bool,
}

impl StoreDiscount {
    /// True if a buyer who writes this code means this discount. Case does not matter.
    pub fn answers_to(&self, code: &str) -> bool {
        Folded::of(&self.code) == Folded::of(code)
    }

    /// True if the discount is switched on and inside its window.
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.is_active && self.starts_at <= now && self.ends_at.is_none_or(|end| now < end)
    }
}
