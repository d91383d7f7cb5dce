//! The answer to a preview: as a checkout's, without ids, because nothing of it exists.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    checkout::preview::Preview,
    domain::{
        cart::{PriceHold, Totals},
        ids::{BuyerStoreId, CartId, ProductId, VendorStoreId},
        money::Money,
        order::{OrderStatus, PaymentMethod, VendorOrder},
    },
};

use super::{
    Envelope,
    order_lines::{LineBody, line},
};

/// The result of a checkout, if it were made now.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewBody<'a> {
    /// The cart that would be bought.
    cart_id: CartId,
    /// The cart's version: `expected_version` of a checkout of just this cart.
    #[schema(minimum = 1)]
    cart_version: i32,
    /// The cart's total, before anything is rejected: `expected_total` of a checkout of just this cart.
    cart_total: Money,
    /// The buyer.
    buyer_store_id: BuyerStoreId,
    /// Three capital letters.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    /// The time until which the cart can be bought at its prices; null if forever.
    #[schema(required = true)]
    valid_until: Option<DateTime<Utc>>,
    #[serde(flatten)]
    totals: Totals,
    /// The orders, in ascending vendor id.
    #[schema(min_items = 1)]
    vendor_orders: Vec<OrderBody<'a>>,
    /// The vendors with a rejected line; empty when there are none.
    rejected_vendors: Vec<RejectedVendorBody>,
}

/// One vendor's order, as it would be.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewOrder)]
pub struct OrderBody<'a> {
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The vendor's name, for people.
    vendor_name: &'a str,
    /// `created_pending`, or `rejected` if nothing of it could be reserved.
    status: OrderStatus,
    #[serde(flatten)]
    totals: Totals,
    /// The amount that would have to be paid.
    balance_due: Money,
    /// The way of paying; null where nothing could be reserved.
    #[schema(required = true)]
    payment_method: Option<PaymentMethod>,
    /// The order's lines, in the cart's order.
    #[schema(min_items = 1)]
    items: Vec<LineBody<'a>>,
}

/// A vendor that could not deliver all that is asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewRejectedVendor)]
pub struct RejectedVendorBody {
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The products of the rejected lines.
    #[schema(min_items = 1)]
    rejected_product_ids: Vec<ProductId>,
    /// True if every line of the order would be rejected.
    fully_rejected: bool,
}

/// The body of a preview's response.
pub fn render(preview: &Preview, price_hold: PriceHold) -> Vec<u8> {
    let Preview { cart, checkout } = preview;
    let data = PreviewBody {
        cart_id: cart.id,
        cart_version: cart.version,
        cart_total: cart.totals.total,
        buyer_store_id: cart.buyer_store_id,
        currency: &checkout.group.currency,
        valid_until: price_hold.valid_until(cart),
        totals: checkout.group.totals,
        vendor_orders: checkout.orders.iter().map(order).collect(),
        rejected_vendors: checkout.orders.iter().filter_map(rejected_vendor).collect(),
    };
    serde_json::to_vec(&Envelope { data }).expect("a preview is JSON")
}

fn order(order: &VendorOrder) -> OrderBody<'_> {
    OrderBody {
        vendor_store_id: order.vendor_store_id,
        vendor_name: &order.vendor_name,
        status: order.status,
        totals: order.totals,
        balance_due: order.balance_due,
        payment_method: order.payment_intent.map(|intent| intent.method),
        items: order.lines.iter().map(line).collect(),
    }
}

fn rejected_vendor(order: &VendorOrder) -> Option<RejectedVendorBody> {
    let rejected = order.rejected_lines();
    (!rejected.is_empty()).then(|| RejectedVendorBody {
        vendor_store_id: order.vendor_store_id,
        fully_rejected: rejected.len() == order.lines.len(),
        rejected_product_ids: rejected.iter().map(|line| line.product_id).collect(),
    })
}
