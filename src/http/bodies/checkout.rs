//! How a checkout looks to a client: the orders by vendor, and what was rejected.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    cart::Totals,
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        VendorStoreId,
    },
    money::Money,
    order::{
        Checkout, LineStatus, OrderLine, OrderStatus, PaymentIntent, PaymentMethod, PaymentStatus,
        VendorOrder,
    },
    product::Unit,
    rejection::{LineRejectionReason, Rejection},
};

use super::Envelope;
use crate::http::paths::CHECKOUT_GROUP;

/// What one checkout created: an order per vendor.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub struct CheckoutBody<'a> {
    /// What was bought, for reading it again.
    checkout_group_id: CheckoutGroupId,
    /// The cart it was made from.
    cart_id: CartId,
    /// Who bought.
    buyer_store_id: BuyerStoreId,
    /// Three capitals.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    /// When.
    created_at: DateTime<Utc>,
    #[serde(flatten)]
    totals: Totals,
    /// One order per vendor, in ascending vendor id.
    #[schema(min_items = 1)]
    vendor_orders: Vec<OrderBody<'a>>,
    /// Every vendor with a rejected line, in the same order.
    rejected_vendors: Vec<RejectedVendorBody>,
}

/// One vendor's order.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody<'a> {
    /// The order.
    order_id: OrderId,
    /// Who sells.
    vendor_store_id: VendorStoreId,
    /// The vendor's name, for people.
    vendor_name: &'a str,
    /// Where it stands; checkout makes `created_pending` and `rejected`.
    status: OrderStatus,
    #[serde(flatten)]
    totals: Totals,
    /// What is still to be paid.
    balance_due: Money,
    /// How it is to be paid; null where no line was reserved.
    #[schema(required = true)]
    payment_intent: Option<IntentBody>,
    /// Its lines, in the cart's order, rejected ones too.
    #[schema(min_items = 1)]
    items: Vec<LineBody<'a>>,
}

/// How an order is to be paid.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentIntent)]
pub struct IntentBody {
    /// The payment.
    id: PaymentIntentId,
    /// How.
    method: PaymentMethod,
    /// Where it stands.
    status: PaymentStatus,
    /// How much: the order's total.
    amount: Money,
}

/// A line of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub struct LineBody<'a> {
    /// The line.
    line_item_id: LineItemId,
    /// What.
    product_id: ProductId,
    /// The vendor's own number for it.
    sku: &'a str,
    /// Its name, for people.
    title: &'a str,
    /// What one unit of quantity is.
    unit: Unit,
    /// How many this line is about. A line that was filled with what there was stands twice, once for
    /// either part.
    #[schema(minimum = 1)]
    qty: i32,
    /// Per unit, before the volume tier.
    list_price: Money,
    /// Per unit, after the tier.
    unit_price: Money,
    /// What the tier takes off the whole line.
    discount: Money,
    /// Unit price x quantity; a rejected line counts in no sum.
    total: Money,
    /// Where it stands; checkout makes `pending` and `rejected`.
    status: LineStatus,
    /// Why it was rejected; null where it was not.
    #[schema(required = true)]
    rejection: Option<RejectionBody>,
}

/// Why a line was rejected.
#[derive(Serialize, ToSchema)]
#[schema(as = Rejection)]
pub struct RejectionBody {
    /// Why.
    reason: LineRejectionReason,
    /// The same, for people.
    #[schema(min_length = 1)]
    message: String,
    /// What was left; only for `insufficient_inventory`.
    #[schema(required = true, minimum = 0)]
    available_qty: Option<i32>,
    /// How many units of the line were reserved, as a line of their own, where this is the rest of
    /// it; only with `shortage_policy: "fill"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    reserved_qty: Option<i32>,
}

/// A vendor that can not deliver all that was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedVendor)]
pub struct RejectedVendorBody {
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// Its order, which has the rejected lines.
    order_id: OrderId,
    /// Those lines.
    #[schema(min_items = 1)]
    rejected_line_item_ids: Vec<LineItemId>,
    /// Whether nothing of the order is left.
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

/// Where what was bought can be read again, told by the answer that is kept of it.
pub fn location(answer: &[u8]) -> Option<String> {
    let id = answer.strip_prefix(br#"{"data":{"checkout_group_id":""#)?;
    let id = std::str::from_utf8(id.get(..36)?).ok()?;
    Some(CHECKOUT_GROUP.replace("{id}", id))
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

#[cfg(test)]
mod tests {
    use super::location;
    use crate::http::openapi::checkout::{CHECKOUT, PREVIEW};

    #[test]
    fn an_answer_tells_where_it_can_be_read_again() {
        let checkout: serde_json::Value = serde_json::from_str(CHECKOUT).unwrap();
        let id = checkout["data"]["checkout_group_id"].as_str().unwrap();
        let found = location(checkout.to_string().as_bytes()).unwrap();
        assert_eq!(found, format!("/api/v1/checkout-groups/{id}"));
        assert_eq!(location(PREVIEW.as_bytes()), None);
        assert_eq!(location(b""), None);
    }
}
