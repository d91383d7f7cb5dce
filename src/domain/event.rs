//! Events: what has happened, as others are told.

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
    /// What was created.
    pub checkout_group_id: CheckoutGroupId,
    /// Who bought.
    pub buyer_store_id: BuyerStoreId,
    /// Its orders, in ascending vendor id; rejected ones too.
    pub vendor_order_ids: Vec<OrderId>,
}

impl OrderCreated {
    /// Its name in the outbox and on the stream.
    pub const TYPE: &str = "order_created";
    /// What kind of thing it happened to.
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

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventActor {
    /// The person.
    pub user_id: UserId,
    /// The store the person acted for.
    pub store_id: StoreId,
}

/// An event as it is published. Consumers tell repetitions by `event_id`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Envelope {
    /// [`ENVELOPE_VERSION`].
    pub version: u32,
    /// The same however often the event is delivered.
    pub event_id: EventId,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// What happened, such as `order_created`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What kind of thing it happened to.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// Who caused it; null if nobody is known.
    pub actor: Option<EventActor>,
    /// The event itself, such as [`OrderCreated`].
    pub data: serde_json::Value,
}
