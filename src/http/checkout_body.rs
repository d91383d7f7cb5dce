//! How a checkout looks to a client: the orders by vendor, and what was rejected.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::{
    cart::Totals,
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        VendorStoreId,
    },
    money::Money,
    order::{
        Checkout, LineRejectionReason, LineStatus, OrderLine, OrderStatus, PaymentIntent,
        PaymentMethod, PaymentStatus, Rejection, VendorOrder,
    },
    product::Unit,
};

#[derive(Serialize)]
pub(super) struct Envelope<T> {
    pub data: T,
}

#[derive(Serialize)]
struct CheckoutBody<'a> {
    checkout_group_id: CheckoutGroupId,
    cart_id: CartId,
    buyer_store_id: BuyerStoreId,
    currency: &'a str,
    created_at: DateTime<Utc>,
    #[serde(flatten)]
    totals: Totals,
    vendor_orders: Vec<OrderBody<'a>>,
    rejected_vendors: Vec<RejectedVendorBody>,
}

#[derive(Serialize)]
pub(super) struct OrderBody<'a> {
    order_id: OrderId,
    vendor_store_id: VendorStoreId,
    vendor_name: &'a str,
    status: OrderStatus,
    #[serde(flatten)]
    totals: Totals,
    balance_due: Money,
    payment_intent: Option<IntentBody>,
    items: Vec<LineBody<'a>>,
}

#[derive(Serialize)]
struct IntentBody {
    id: PaymentIntentId,
    method: PaymentMethod,
    status: PaymentStatus,
    amount: Money,
}

#[derive(Serialize)]
struct LineBody<'a> {
    line_item_id: LineItemId,
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
pub(super) struct RejectionBody {
    reason: LineRejectionReason,
    message: String,
    available_qty: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_qty: Option<i32>,
}

#[derive(Serialize)]
struct RejectedVendorBody {
    vendor_store_id: VendorStoreId,
    order_id: OrderId,
    rejected_line_item_ids: Vec<LineItemId>,
    fully_rejected: bool,
}

/// The body of a checkout's response.
pub fn render(checkout: &Checkout) -> Vec<u8> {
    let group = &checkout.group;
    let body = CheckoutBody {
        checkout_group_id: group.id,
        cart_id: group.cart_id,
        buyer_store_id: group.buyer_store_id,
        currency: &group.currency,
        created_at: group.created_at,
        totals: group.totals,
        vendor_orders: checkout.orders.iter().map(order).collect(),
        rejected_vendors: checkout.orders.iter().filter_map(rejected_vendor).collect(),
    };
    serde_json::to_vec(&Envelope { data: body }).expect("a checkout is JSON")
}

pub(super) fn order(order: &VendorOrder) -> OrderBody<'_> {
    let intent = |intent: PaymentIntent| IntentBody {
        id: intent.id,
        method: intent.method,
        status: intent.status,
        amount: intent.amount,
    };
    OrderBody {
        order_id: order.id,
        vendor_store_id: order.vendor_store_id,
        vendor_name: &order.vendor_name,
        status: order.status,
        totals: order.totals,
        balance_due: order.balance_due,
        payment_intent: order.payment_intent.map(intent),
        items: order.lines.iter().map(line).collect(),
    }
}

fn line(line: &OrderLine) -> LineBody<'_> {
    LineBody {
        line_item_id: line.id,
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

impl From<Rejection> for RejectionBody {
    fn from(rejection: Rejection) -> Self {
        Self {
            reason: rejection.reason,
            message: rejection.message(),
            available_qty: rejection.available_qty,
            reserved_qty: rejection.reserved_qty,
        }
    }
}

fn rejected_vendor(order: &VendorOrder) -> Option<RejectedVendorBody> {
    let rejected = order.rejected_lines();
    (!rejected.is_empty()).then(|| RejectedVendorBody {
        vendor_store_id: order.vendor_store_id,
        order_id: order.id,
        fully_rejected: rejected.len() == order.lines.len(),
        rejected_line_item_ids: rejected.iter().map(|line| line.id).collect(),
    })
}
