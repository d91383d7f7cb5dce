//! Events as they are published.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ids::{BuyerStoreId, CheckoutGroupId, EventId, OrderId, StoreId, UserId},
    order::Checkout,
};

/// The version of [`Envelope`]. It rises when a field changes its meaning or goes away.
pub const ENVELOPE_VERSION: u32 = 1;

/// A checkout was committed (PF-082). Once per checkout group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCreated {
    pub checkout_group_id: CheckoutGroupId,
    pub buyer_store_id: BuyerStoreId,
    /// The orders of the group, rejected ones too, in ascending vendor id.
    pub vendor_order_ids: Vec<OrderId>,
}

impl OrderCreated {
    /// The event's name in the outbox and on the stream.
    pub const TYPE: &str = "order_created";
    /// The kind of thing that the event is about.
    pub const AGGREGATE: &str = "checkout_group";

    /// The event that announces a checkout.
    pub fn announcing(checkout: &Checkout) -> Self {
        Self {
            checkout_group_id: checkout.group.id,
            buyer_store_id: checkout.group.buyer_store_id,
            vendor_order_ids: checkout.orders.iter().map(|order| order.id).collect(),
        }
    }
}

/// The person who caused an event, and their store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventActor {
    pub user_id: UserId,
    /// The store for which the person acted.
    pub store_id: StoreId,
}

/// An event as it is published. Consumers recognise repetitions by `event_id`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Envelope {
    /// [`ENVELOPE_VERSION`].
    pub version: u32,
    /// The event's id, the same however often it is delivered.
    pub event_id: EventId,
    /// The time at which it happened.
    pub occurred_at: DateTime<Utc>,
    /// The event's name, such as `order_created`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The kind of thing that the event is about.
    pub aggregate_type: String,
    /// The id of that thing.
    pub aggregate_id: Uuid,
    /// The person who caused it; null if unknown.
    pub actor: Option<EventActor>,
    /// The event itself, such as [`OrderCreated`].
    pub data: serde_json::Value,
}
