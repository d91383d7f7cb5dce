//! The orders that a checkout creates: a group, one order per vendor, its lines and its payment intent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cart::Totals,
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        UserId, VendorStoreId,
    },
    money::Money,
    product::Unit,
    rejection::{LineRejectionReason, OrderRejectionReason, Rejection},
};

/// The status of a vendor's order. A checkout makes the first two; the others are the vendor's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OrderStatus {
    CreatedPending,
    Rejected,
    Accepted,
    PartiallyAccepted,
    Fulfilled,
    Hold,
    InTransit,
    Delivered,
    Closed,
    Canceled,
    Expired,
}

impl OrderStatus {
    /// All statuses with their names.
    pub const WORDS: [(&str, Self); 11] = [
        ("created_pending", Self::CreatedPending),
        ("accepted", Self::Accepted),
        ("partially_accepted", Self::PartiallyAccepted),
        ("rejected", Self::Rejected),
        ("fulfilled", Self::Fulfilled),
        ("hold", Self::Hold),
        ("in_transit", Self::InTransit),
        ("delivered", Self::Delivered),
        ("closed", Self::Closed),
        ("canceled", Self::Canceled),
        ("expired", Self::Expired),
    ];

    /// The status as clients see it.
    pub fn word(self) -> &'static str {
        let word = Self::WORDS.iter().find(|(_, status)| *status == self);
        word.map_or("", |(word, _)| *word)
    }
}

/// The status of a line. A checkout makes the first two: `pending` holds stock, `rejected` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LineStatus {
    Pending,
    Rejected,
    Accepted,
    Fulfilled,
    Hold,
}

/// The way in which an order is to be paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PaymentMethod {
    #[default]
    Cash,
    Ach,
}

/// The status of a payment. A cash intent starts as `unpaid`, an ACH intent as `pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PaymentStatus {
    Unpaid,
    Pending,
    Settled,
    Paid,
    Failed,
}

impl PaymentMethod {
    /// The status of a new intent.
    pub const fn first_status(self) -> PaymentStatus {
        match self {
            Self::Cash => PaymentStatus::Unpaid,
            Self::Ach => PaymentStatus::Pending,
        }
    }
}

/// The head of everything that one checkout created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutGroup {
    pub id: CheckoutGroupId,
    pub buyer_store_id: BuyerStoreId,
    pub cart_id: CartId,
    pub created_by: UserId,
    /// Three capitals.
    pub currency: String,
    /// The sums over the reserved lines of all orders.
    pub totals: Totals,
    pub created_at: DateTime<Utc>,
}

/// One vendor's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorOrder {
    pub id: OrderId,
    pub vendor_store_id: VendorStoreId,
    pub vendor_name: String,
    pub status: OrderStatus,
    /// The sums over the reserved lines.
    pub totals: Totals,
    /// The amount that is still to be paid.
    pub balance_due: Money,
    pub rejection_reason: Option<OrderRejectionReason>,
    /// `None` if nothing is to be collected.
    pub payment_intent: Option<PaymentIntent>,
    /// The lines, in the cart's order.
    pub lines: Vec<OrderLine>,
}

impl VendorOrder {
    /// The rejected lines, in the cart's order.
    pub fn rejected_lines(&self) -> Vec<&OrderLine> {
        let lines = self.lines.iter();
        lines.filter(|line| line.rejection.is_some()).collect()
    }
}

/// An order with its checkout group, its buyer and its times: everything that is shown of it on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    pub checkout_group_id: CheckoutGroupId,
    pub buyer_store_id: BuyerStoreId,
    pub buyer_name: String,
    /// Three capitals.
    pub currency: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub order: VendorOrder,
}

/// A line of an order. A rejected line keeps its figures, but they count in no sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    pub id: LineItemId,
    /// The place of the line in the cart, from 0.
    pub position: i32,
    pub product_id: ProductId,
    /// The vendor's own number for the product.
    pub sku: String,
    pub title: String,
    pub unit: Unit,
    pub qty: i32,
    /// The price of a unit before the tier.
    pub list_price: Money,
    /// The price of a unit after the tier.
    pub unit_price: Money,
    /// The amount that the tier takes off the whole line.
    pub discount: Money,
    /// Unit price x quantity.
    pub total: Money,
    pub status: LineStatus,
    pub rejection: Option<Rejection>,
}

impl OrderLine {
    /// The reason for which the line is rejected, if it is.
    pub fn rejection_reason(&self) -> Option<LineRejectionReason> {
        self.rejection.as_ref().map(|rejection| rejection.reason)
    }
}

/// The payment intent of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentIntent {
    pub id: PaymentIntentId,
    pub method: PaymentMethod,
    pub status: PaymentStatus,
    /// Always the order's total.
    pub amount: Money,
}

/// Everything that one checkout created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    pub group: CheckoutGroup,
    /// The orders, in ascending vendor id.
    pub orders: Vec<VendorOrder>,
}
