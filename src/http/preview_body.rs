//! How a previewed checkout looks to a client: as a checkout does, without ids, because nothing of it
//! exists.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    actors::preview::Preview,
    domain::{
        cart::{PriceHold, Totals},
        ids::{BuyerStoreId, CartId, ProductId, VendorStoreId},
        money::Money,
        order::{LineStatus, OrderLine, OrderStatus, PaymentMethod, VendorOrder},
        product::Unit,
    },
};

use super::checkout_body::{Envelope, RejectionBody};

#[derive(Serialize)]
struct PreviewBody<'a> {
    cart_id: CartId,
    cart_version: i32,
    buyer_store_id: BuyerStoreId,
    currency: &'a str,
    valid_until: Option<DateTime<Utc>>,
    #[serde(flatten)]
    totals: Totals,
    vendor_orders: Vec<OrderBody<'a>>,
    rejected_vendors: Vec<RejectedVendorBody>,
}

#[derive(Serialize)]
struct OrderBody<'a> {
    vendor_store_id: VendorStoreId,
    vendor_name: &'a str,
    status: OrderStatus,
    #[serde(flatten)]
    totals: Totals,
    balance_due: Money,
    payment_method: Option<PaymentMethod>,
    items: Vec<LineBody<'a>>,
}

#[derive(Serialize)]
struct LineBody<'a> {
    product_id: ProductId,
    sku: &'a str,
    title: &'a str,
    unit: Unit,
    qty: i32,
    list_price: Money,
    unit_price: Money,
    discount: Money,
    total: Money,
    status: LineStatus,
    rejection: Option<RejectionBody>,
}

#[derive(Serialize)]
struct RejectedVendorBody {
    vendor_store_id: VendorStoreId,
    rejected_product_ids: Vec<ProductId>,
    fully_rejected: bool,
}

/// The body of a preview's response.
pub fn render(preview: &Preview, price_hold: PriceHold) -> Vec<u8> {
    let Preview { cart, checkout } = preview;
    let data = PreviewBody {
        cart_id: cart.id,
        cart_version: cart.version,
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

fn line(line: &OrderLine) -> LineBody<'_> {
    LineBody {
        product_id: line.product_id,
        sku: &line.sku,
        title: &line.title,
        unit: line.unit,
        qty: line.qty,
        list_price: line.list_price,
        unit_price: line.unit_price,
        discount: line.discount,
        total: line.total,
        status: line.status,
        rejection: line.rejection.map(RejectionBody::from),
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
