//! What a checkout creates: a group, one order per vendor, its lines and its payment intent.

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
    rejection::{OrderRejectionReason, Rejection},
};

/// Where a vendor's order stands. Checkout makes the first two; the rest is the vendor's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
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
    /// Every status with its name.
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
}

/// Where a line stands. Checkout makes the first two: `pending` holds stock, `rejected` none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LineStatus {
    Pending,
    Rejected,
    Accepted,
    Fulfilled,
    Hold,
}

/// How an order is to be paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PaymentMethod {
    #[default]
    Cash,
    Ach,
}

/// Where a payment stands. A cash intent starts `unpaid`, an ACH intent `pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PaymentStatus {
    Unpaid,
    Pending,
    Settled,
    Paid,
    Failed,
}

impl PaymentMethod {
    /// Where a new intent starts.
    pub const fn first_status(self) -> PaymentStatus {
        match self {
            Self::Cash => PaymentStatus::Unpaid,
            Self::Ach => PaymentStatus::Pending,
        }
    }
}

/// The head of what one checkout created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutGroup {
    /// Its id.
    pub id: CheckoutGroupId,
    /// Who bought.
    pub buyer_store_id: BuyerStoreId,
    /// The cart it was made from.
    pub cart_id: CartId,
    /// The person who checked out.
    pub created_by: UserId,
    /// Three capitals.
    pub currency: String,
    /// Over the reserved lines of all its orders.
    pub totals: Totals,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// One vendor's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorOrder {
    /// Its id.
    pub id: OrderId,
    /// Who sells.
    pub vendor_store_id: VendorStoreId,
    /// The vendor's name, for people.
    pub vendor_name: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Over its reserved lines.
    pub totals: Totals,
    /// What is still to be paid.
    pub balance_due: Money,
    /// Why it was rejected, if it was.
    pub rejection_reason: Option<OrderRejectionReason>,
    /// How it is to be paid; none where nothing was reserved.
    pub payment_intent: Option<PaymentIntent>,
    /// Its lines, in the cart's order.
    pub lines: Vec<OrderLine>,
}

impl VendorOrder {
    /// The lines of it that were rejected, in the cart's order.
    pub fn rejected_lines(&self) -> Vec<&OrderLine> {
        let lines = self.lines.iter();
        lines.filter(|line| line.rejection.is_some()).collect()
    }
}

/// An order with what it belongs to: what is shown of it on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The checkout that created it.
    pub checkout_group_id: CheckoutGroupId,
    /// Who bought.
    pub buyer_store_id: BuyerStoreId,
    /// The buyer's name, for people.
    pub buyer_name: String,
    /// Three capitals.
    pub currency: String,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The order itself.
    pub order: VendorOrder,
}

/// A line of an order. A rejected line keeps the figures it was offered at; they count in no sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Its id.
    pub id: LineItemId,
    /// Its place in the cart, from 0.
    pub position: i32,
    /// What.
    pub product_id: ProductId,
    /// The vendor's own number for it.
    pub sku: String,
    /// Its name, for people.
    pub title: String,
    /// What one unit of quantity is.
    pub unit: Unit,
    /// How many.
    pub qty: i32,
    /// Per unit, before the tier.
    pub list_price: Money,
    /// Per unit, after the tier.
    pub unit_price: Money,
    /// What the tier takes off the whole line.
    pub discount: Money,
    /// Unit price x quantity.
    pub total: Money,
    /// Where it stands.
    pub status: LineStatus,
    /// Why it was rejected, if it was.
    pub rejection: Option<Rejection>,
}

/// How one order is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentIntent {
    /// Its id.
    pub id: PaymentIntentId,
    /// How.
    pub method: PaymentMethod,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much; always the order's total.
    pub amount: Money,
}

/// Everything that one checkout created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The group.
    pub group: CheckoutGroup,
    /// Its orders, in ascending vendor id.
    pub orders: Vec<VendorOrder>,
}
