//! The request of a checkout, which is also a preview's, and its answer: the orders by vendor, and what was
//! rejected.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        cart::Totals,
        checkout::CheckoutRequest,
        expected_cart::ExpectedCart,
        ids::{
            BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, StoreId,
            UserId, VendorStoreId,
        },
        money::Money,
        order::{
            Checkout, OrderLine, OrderStatus, PaymentIntent, PaymentMethod, PaymentStatus,
            VendorOrder,
        },
        shortage_policy::ShortagePolicy,
    },
    http::{json::request_body, paths::CHECKOUT_GROUP},
};

use super::{
    Envelope,
    fields::{Amount, Positive},
    order_lines::{LineBody, line},
};

request_body! {
    /// A checkout: the cart, and how it is to be paid.
    #[schema(as = CheckoutRequest)]
    pub struct CheckoutRequestBody {
        /// Your store's active cart: the `id` in the answer to `PUT /api/v1/cart`.
        cart_id: CartId,
        /// `cash` is the default; `ach` only where the operator offers it.
        payment_method: Option<PaymentMethod>,
        /// The treatment of a line that is not available in full. `reject_line`, the default: the line is
        /// rejected, the rest goes through. `fill`: what there is of it is reserved, as a line of its own
        /// beside the rejected rest, unless that is less than the vendor sells at once (`moq`).
        /// `reject_vendor`: its vendor's order goes through whole or not at all. `all_or_nothing`: the
        /// checkout does, else it is 409 `STOCK_CHANGED`.
        shortage_policy: Option<ShortagePolicy>,
        /// The cart's total that the buyer was shown, before anything is rejected: another one is 409
        /// `CART_CHANGED`. What a checkout with rejected lines costs it does not say.
        expected_total: Option<Amount>,
        /// The cart's version that the buyer was shown: another one is 409 `CART_CHANGED`.
        #[schema(value_type = Option<i32>, minimum = 1, maximum = 2_147_483_647)]
        expected_version: Option<Positive>,
    }
}

impl CheckoutRequestBody {
    /// The checkout that a caller asks for.
    pub fn by(self, user_id: UserId, store_id: StoreId) -> CheckoutRequest {
        CheckoutRequest {
            cart_id: self.cart_id,
            store_id,
            user_id,
            payment_method: self.payment_method.unwrap_or_default(),
            shortage_policy: self.shortage_policy.unwrap_or_default(),
            expected: ExpectedCart {
                total: self.expected_total.map(|amount| amount.0),
                version: self.expected_version.map(|version| version.0),
            },
        }
    }
}

/// The result of a checkout: an order per vendor.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub struct CheckoutBody<'a> {
    /// The id under which the checkout can be read again.
    checkout_group_id: CheckoutGroupId,
    /// The cart it was made from.
    cart_id: CartId,
    /// The buyer.
    buyer_store_id: BuyerStoreId,
    /// Three capital letters.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    /// The time of the checkout.
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
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The vendor's name, for people.
    vendor_name: &'a str,
    /// The order's status; a checkout makes it `created_pending` or `rejected`.
    status: OrderStatus,
    #[serde(flatten)]
    totals: Totals,
    /// The amount that is still to be paid.
    balance_due: Money,
    /// The payment; null where no line was reserved.
    #[schema(required = true)]
    payment_intent: Option<IntentBody>,
    /// The order's lines, in the cart's order, rejected ones too.
    #[schema(min_items = 1)]
    items: Vec<OrderLineBody<'a>>,
}

/// The payment of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentIntent)]
pub struct IntentBody {
    /// The payment.
    id: PaymentIntentId,
    /// The way of paying.
    method: PaymentMethod,
    /// The status of the payment.
    status: PaymentStatus,
    /// The order's total.
    amount: Money,
}

/// A line of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub struct OrderLineBody<'a> {
    /// The line.
    line_item_id: LineItemId,
    #[serde(flatten)]
    line: LineBody<'a>,
}

/// A vendor with a rejected line.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedVendor)]
pub struct RejectedVendorBody {
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The vendor's order, which has the rejected lines.
    order_id: OrderId,
    /// The rejected lines.
    #[schema(min_items = 1)]
    rejected_line_item_ids: Vec<LineItemId>,
    /// True if every line of the order is rejected.
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

/// The path of a checkout's orders, taken from the answer that is kept.
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
        items: order.lines.iter().map(order_line).collect(),
    }
}

fn order_line(placed: &OrderLine) -> OrderLineBody<'_> {
    OrderLineBody {
        line_item_id: placed.id,
        line: line(placed),
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
