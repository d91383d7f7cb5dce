//! The cart: a buyer's request, and the frozen snapshot that a checkout honours.
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
    pub content: CartContent,
    /// The figures that the buyer was shown.
    pub totals: Totals,
}

/// The content of a cart: everything that is needed to price it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartContent {
    /// Three capitals.
    pub currency: String,
    pub shipping_address: Option<ShippingAddress>,
    /// 1 to [`LINES_MAX`] lines.
    pub items: Vec<RequestedItem>,
    /// At most one per vendor.
    pub discounts: Vec<RequestedDiscount>,
}

/// A line as a buyer sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedItem {
    pub product_id: ProductId,
    /// The vendor of the product, according to the buyer.
    pub vendor_store_id: VendorStoreId,
    /// Always positive.
    pub qty: i32,
    /// The price after the tier that the buyer was shown.
    pub unit_price: Option<Money>,
    /// The total of the line that the buyer was shown.
    pub line_total: Option<Money>,
}

/// A discount code as a buyer sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedDiscount {
    pub vendor_store_id: VendorStoreId,
    /// The code in upper or lower case.
    pub code: String,
}

/// The address to which goods go, kept as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A line of a cart, frozen: it does not change when the catalogue does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartLine {
    pub product_id: ProductId,
    pub vendor_store_id: VendorStoreId,
    /// The vendor's own number for the product.
    pub sku: String,
    pub title: String,
    pub unit: Unit,
    pub image_url: Option<String>,
    pub qty: i32,
    /// The least quantity that was sold at once.
    pub moq: i32,
    /// The greatest quantity that was sold at once.
    pub max_qty: Option<i32>,
    pub price: LinePrice,
}

/// A store discount, granted and frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedDiscount {
    pub vendor_store_id: VendorStoreId,
    /// The code in the vendor's spelling.
    pub code: String,
    pub title: String,
    pub terms: DiscountTerms,
    /// The amount that the discount took off this cart.
    pub amount: Money,
}

/// A quote: the cart that a PUT would freeze now, and everything that is against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Three capitals.
    pub currency: String,
    /// The lines that can be priced, in the buyer's order.
    pub lines: Vec<QuotedLine>,
    /// The store discounts that would be granted.
    pub discounts: Vec<GrantedDiscount>,
    /// The cart's figures; `None` while there is a line that can't be priced.
    pub totals: Option<Totals>,
    /// All rules that are broken. With any, the PUT would be refused.
    pub violations: Vec<Violation>,
}

/// A line of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotedLine {
    /// The place of the line in the request, from 0.
    pub position: usize,
    /// The line that would be frozen.
    pub line: CartLine,
}

impl Quote {
    /// The figures of the priced lines by vendor, in ascending vendor id.
    pub fn vendor_groups(&self) -> Vec<VendorGroup<'_>> {
        vendor_groups(
            self.lines.iter().map(|quoted| &quoted.line),
            &self.discounts,
        )
    }
}

/// A priced cart that satisfies every rule: made by `rules::check_cart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedCart {
    /// Three capitals.
    pub currency: String,
    pub shipping_address: Option<ShippingAddress>,
    /// The lines, in the buyer's order.
    pub lines: Vec<CartLine>,
    /// The store discounts, at most one per vendor.
    pub discounts: Vec<GrantedDiscount>,
    pub totals: Totals,
}

/// The status of a cart: `active` until a checkout has made it `converted`, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CartStatus {
    Active,
    Converted,
}

/// The row of a cart without its lines, which a checkout locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartHead {
    /// The id stays the same while the cart is active, however often it is replaced.
    pub id: CartId,
    pub buyer_store_id: BuyerStoreId,
    /// The person who sent the cart first.
    pub created_by: UserId,
    pub status: CartStatus,
    /// Three capitals.
    pub currency: String,
    pub totals: Totals,
    pub shipping_address: Option<ShippingAddress>,
    /// 1, and one more with every PUT.
    pub version: i32,
    pub created_at: DateTime<Utc>,
    /// The time at which the cart was last replaced.
    pub updated_at: DateTime<Utc>,
}

impl CartHead {
    /// The tag by which clients name this version.
    pub const fn tag(&self) -> CartTag {
        CartTag {
            id: self.id,
            version: self.version,
        }
    }
}

/// The time after its last PUT for which a cart can be bought at its prices, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceHold(Option<TimeDelta>);

impl PriceHold {
    /// Carts can be bought at any time.
    pub const FOR_EVER: Self = Self(None);

    /// Carts can be bought for this time.
    pub const fn lasting(time: TimeDelta) -> Self {
        Self(Some(time))
    }

    /// The end (exclusive) of the time for which the cart can be bought.
    pub fn valid_until(self, cart: &CartHead) -> Option<DateTime<Utc>> {
        cart.updated_at.checked_add_signed(self.0?)
    }

    /// The end of the time for which the cart could be bought, if it is over.
    pub fn ended(self, cart: &CartHead, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.valid_until(cart).filter(|end| *end <= now)
    }
}

/// A cart as it is in the database (PF-074).
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
    /// The figures of the cart by vendor, in ascending vendor id.
    pub fn vendor_groups(&self) -> Vec<VendorGroup<'_>> {
        vendor_groups(self.items.iter().map(|(_, line)| line), &self.discounts)
    }
}

/// One vendor's part of a cart.
#[derive(Clone, Copy, Debug)]
pub struct VendorGroup<'a> {
    pub vendor_store_id: VendorStoreId,
    /// The figures of the vendor's lines.
    pub totals: Totals,
    /// The vendor's store discount, if one was granted.
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

/// The figures of one vendor's lines, with the store discount taken off their sum.
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
