//! The cart: what a buyer asks for, and the frozen snapshot that checkout honours.
//!
//! Owns grouping by vendor and the figures of a vendor's lines, for carts and checkouts alike.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ids::{BuyerStoreId, CartId, CartItemId, ProductId, UserId, VendorStoreId},
    money::Money,
    precondition::CartTag,
    pricing::{DiscountTerms, LinePrice},
    product::Unit,
    violation::Violation,
};

/// The most lines a cart may have.
pub const LINES_MAX: usize = 200;

/// The currencies in which the catalogue is priced.
pub const CURRENCIES: [&str; 1] = ["USD"];

/// A cart as a buyer sends it: well formed, but nothing in it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartRequest {
    /// What is wanted.
    pub content: CartContent,
    /// The figures that the buyer was shown.
    pub totals: Totals,
}

/// What a buyer wants in a cart: all that is needed to price it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartContent {
    /// Three capitals.
    pub currency: String,
    /// Where the goods are to go.
    pub shipping_address: Option<ShippingAddress>,
    /// 1 to [`LINES_MAX`] lines.
    pub items: Vec<RequestedItem>,
    /// At most one per vendor.
    pub discounts: Vec<RequestedDiscount>,
}

/// A line as a buyer sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedItem {
    /// What.
    pub product_id: ProductId,
    /// Whose it is, in the buyer's opinion.
    pub vendor_store_id: VendorStoreId,
    /// How many; always positive.
    pub qty: i32,
    /// The price after the tier that the buyer was shown.
    pub unit_price: Option<Money>,
    /// The line's total that the buyer was shown.
    pub line_total: Option<Money>,
}

/// A discount code as a buyer sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedDiscount {
    /// Whose discount.
    pub vendor_store_id: VendorStoreId,
    /// Its code, in any case.
    pub code: String,
}

/// Where goods go. Kept as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ShippingAddress {
    pub line1: String,
    pub line2: Option<String>,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    pub country: String,
}

/// The three figures of a cart, a vendor's part, an order or a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Totals {
    /// The sum of list price x quantity.
    pub subtotal: Money,
    /// All tier and store discounts.
    pub discount_total: Money,
    /// Subtotal less discounts.
    pub total: Money,
}

impl std::iter::Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            subtotal: sum.subtotal + part.subtotal,
            discount_total: sum.discount_total + part.discount_total,
            total: sum.total + part.total,
        })
    }
}

/// A line of a cart, frozen: the catalogue may change, this does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartLine {
    /// What.
    pub product_id: ProductId,
    /// Whose.
    pub vendor_store_id: VendorStoreId,
    /// The vendor's own number for it.
    pub sku: String,
    /// Its name, for people.
    pub title: String,
    /// What one unit of quantity is.
    pub unit: Unit,
    /// Where a picture of it is.
    pub image_url: Option<String>,
    /// How many.
    pub qty: i32,
    /// The least quantity that was sold at once.
    pub moq: i32,
    /// The greatest quantity that was sold at once.
    pub max_qty: Option<i32>,
    /// What it costs.
    pub price: LinePrice,
}

/// A store discount, granted and frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedDiscount {
    /// Whose discount.
    pub vendor_store_id: VendorStoreId,
    /// Its code, in the vendor's spelling.
    pub code: String,
    /// Its name, for people.
    pub title: String,
    /// What it takes off.
    pub terms: DiscountTerms,
    /// What it took off this cart.
    pub amount: Money,
}

/// What a PUT of a cart would come to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Three capitals.
    pub currency: String,
    /// The lines that can be priced, in the buyer's order.
    pub lines: Vec<QuotedLine>,
    /// The store discounts that would be granted.
    pub discounts: Vec<GrantedDiscount>,
    /// The cart's figures; none while there is a line that can't be priced.
    pub totals: Option<Totals>,
    /// The rules that are broken, all of them: with any, the PUT would be refused.
    pub violations: Vec<Violation>,
}

/// A line of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotedLine {
    /// Its place in the request, from 0.
    pub position: usize,
    /// What would be frozen.
    pub line: CartLine,
}

impl Quote {
    /// What the priced lines come to per vendor, in ascending vendor id.
    pub fn vendor_groups(&self) -> Vec<VendorGroup<'_>> {
        vendor_groups(self.lines.iter().map(|it| &it.line), &self.discounts)
    }
}

/// A cart that satisfies every rule, priced by us: what `rules::check_cart` lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedCart {
    /// Three capitals.
    pub currency: String,
    /// Where the goods are to go.
    pub shipping_address: Option<ShippingAddress>,
    /// The lines, in the buyer's order.
    pub lines: Vec<CartLine>,
    /// The store discounts, at most one per vendor.
    pub discounts: Vec<GrantedDiscount>,
    /// The cart's figures.
    pub totals: Totals,
}

/// Where a cart stands: `active` until a checkout has made it `converted`, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the enum says it")]
pub enum CartStatus {
    Active,
    Converted,
}

/// The row of a cart without its lines: what a checkout locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartHead {
    /// Its id, kept while it is active however often it is replaced.
    pub id: CartId,
    /// Whose it is.
    pub buyer_store_id: BuyerStoreId,
    /// Who sent it first.
    pub created_by: UserId,
    /// Where it stands.
    pub status: CartStatus,
    /// Three capitals.
    pub currency: String,
    /// Its figures.
    pub totals: Totals,
    /// Where the goods are to go.
    pub shipping_address: Option<ShippingAddress>,
    /// 1, and one more with every PUT.
    pub version: i32,
    /// When it was first sent.
    pub created_at: DateTime<Utc>,
    /// When it was last replaced.
    pub updated_at: DateTime<Utc>,
}

impl CartHead {
    /// What clients name this version by.
    pub const fn tag(&self) -> CartTag {
        CartTag {
            id: self.id,
            version: self.version,
        }
    }
}

/// How long after its last PUT a cart can be bought at its prices; for ever if there is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceHold(Option<TimeDelta>);

impl PriceHold {
    /// Carts can be bought for ever.
    pub const FOR_EVER: Self = Self(None);

    /// Carts can be bought for so long.
    pub const fn lasting(time: TimeDelta) -> Self {
        Self(Some(time))
    }

    /// Until when (exclusive) the cart can be bought.
    pub fn valid_until(self, cart: &CartHead) -> Option<DateTime<Utc>> {
        cart.updated_at.checked_add_signed(self.0?)
    }

    /// Until when it could be bought, if that is over.
    pub fn ended(self, cart: &CartHead, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.valid_until(cart).filter(|end| *end <= now)
    }
}

/// A cart as it stands in the database (PF-074).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartRecord {
    /// The cart's own row.
    pub head: CartHead,
    /// The lines with their ids, in the buyer's order.
    pub items: Vec<(CartItemId, CartLine)>,
    /// The store discounts.
    pub discounts: Vec<GrantedDiscount>,
}

impl CartRecord {
    /// What the cart comes to per vendor, in ascending vendor id.
    pub fn vendor_groups(&self) -> Vec<VendorGroup<'_>> {
        vendor_groups(self.items.iter().map(|(_, line)| line), &self.discounts)
    }
}

/// One vendor's part of a cart.
#[derive(Clone, Copy, Debug)]
pub struct VendorGroup<'a> {
    /// The vendor.
    pub vendor_store_id: VendorStoreId,
    /// What its lines come to.
    pub totals: Totals,
    /// Its store discount, if one was granted.
    pub store_discount: Option<&'a GrantedDiscount>,
}

fn vendor_groups<'a>(
    lines: impl IntoIterator<Item = &'a CartLine>,
    discounts: &'a [GrantedDiscount],
) -> Vec<VendorGroup<'a>> {
    group_by_vendor(lines)
        .into_iter()
        .map(|(vendor_store_id, lines)| {
            let store_discount = discounts
                .iter()
                .find(|granted| granted.vendor_store_id == vendor_store_id);
            let terms = store_discount.map(|granted| granted.terms);
            let totals = vendor_totals(lines.iter().map(|line| &line.price), terms);
            VendorGroup {
                vendor_store_id,
                totals,
                store_discount,
            }
        })
        .collect()
}

/// Splits lines by vendor (PF-078): vendors ascend, lines keep their order.
pub fn group_by_vendor<'a>(
    lines: impl IntoIterator<Item = &'a CartLine>,
) -> BTreeMap<VendorStoreId, Vec<&'a CartLine>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in lines {
        groups.entry(line.vendor_store_id).or_default().push(line);
    }
    groups
}

/// What one vendor's lines come to, with its store discount taken off their sum.
pub fn vendor_totals<'a>(
    prices: impl IntoIterator<Item = &'a LinePrice>,
    terms: Option<DiscountTerms>,
) -> Totals {
    let (mut subtotal, mut line_sum) = (Money::ZERO, Money::ZERO);
    for price in prices {
        subtotal += price.subtotal;
        line_sum += price.total;
    }
    let off = terms.map_or(Money::ZERO, |terms| terms.amount_off(line_sum));
    let total = line_sum - off;
    Totals {
        subtotal,
        discount_total: subtotal - total,
        total,
    }
}
