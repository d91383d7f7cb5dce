//! The answers about orders that are read on their own: as in a checkout, with the checkout and the buyer.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    ids::{BuyerStoreId, CheckoutGroupId},
    order::PlacedOrder,
    rejection::OrderRejectionReason,
};

use super::{
    Envelope,
    checkout::{OrderBody, order},
};

/// An order with what it belongs to.
#[derive(Serialize, ToSchema)]
#[schema(as = PlacedOrder)]
pub struct PlacedOrderBody<'a> {
    #[serde(flatten)]
    order: OrderBody<'a>,
    /// The reason why the whole order is rejected; null if it is not.
    #[schema(required = true)]
    rejection_reason: Option<OrderRejectionReason>,
    /// The checkout that created it.
    checkout_group_id: CheckoutGroupId,
    /// The buyer.
    buyer_store_id: BuyerStoreId,
    /// The buyer's name, for people.
    buyer_name: &'a str,
    /// Three capital letters.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    /// The time at which the order was placed.
    created_at: DateTime<Utc>,
    /// The time of the order's last change.
    updated_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct PageEnvelope<'a> {
    data: Vec<PlacedOrderBody<'a>>,
    page: PageBody,
}

/// The place at which a list continues.
#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub struct PageBody {
    /// The `cursor` of the next page; null on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl PageBody {
    pub(super) fn continued_at(next_cursor: Option<String>) -> Self {
        Self { next_cursor }
    }
}

/// The body of one order's response.
pub fn render(placed: &PlacedOrder) -> Vec<u8> {
    let data = placed_order(placed);
    serde_json::to_vec(&Envelope { data }).expect("an order is JSON")
}

/// The body of a page's response.
pub fn render_page(orders: &[PlacedOrder], next_cursor: Option<String>) -> Vec<u8> {
    let envelope = PageEnvelope {
        data: orders.iter().map(placed_order).collect(),
        page: PageBody { next_cursor },
    };
    serde_json::to_vec(&envelope).expect("orders are JSON")
}

fn placed_order(placed: &PlacedOrder) -> PlacedOrderBody<'_> {
    PlacedOrderBody {
        order: order(&placed.order),
        rejection_reason: placed.order.rejection_reason,
        checkout_group_id: placed.checkout_group_id,
        buyer_store_id: placed.buyer_store_id,
        buyer_name: &placed.buyer_name,
        currency: &placed.currency,
        created_at: placed.created_at,
        updated_at: placed.updated_at,
    }
}
