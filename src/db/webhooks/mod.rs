//! Endpoints of webhooks, and their deliveries.
//!
//! | statement | file |
//! |---|---|
//! | a store's endpoints, as their owners manage them | `endpoints` |
//! | writing deliveries for events; sending them again | `write` |
//! | claiming due deliveries | `queue` |
//! | recording what became of them | `outcomes` |
//! | the list of an endpoint's deliveries; their removal | `list` |

mod endpoints;
mod list;
mod outcomes;
mod queue;
mod write;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use crate::domain::{
    ids::{EventId, StoreId, WebhookDeliveryId, WebhookEndpointId},
    webhook::{DeliveryOutcome, DisabledReason},
};

pub use endpoints::{
    Change, NewEndpoint, Rotation, change_endpoint, create_endpoint, delete_endpoint,
    find_endpoint, find_endpoints, rotate_secret,
};
pub use list::{find_deliveries, sweep_deliveries};
pub use outcomes::{Attempt, Failed, MarkOutcome, mark_delivered, mark_failed};
pub use queue::{Look, Places, claim_due, count_waiting, find_due, move_due_times_on};
pub use write::{
    Audience, NewDelivery, Redelivery, Subscriber, find_subscribers, forget_deliveries,
    is_any_active, redeliver, source_of, write_deliveries, write_test,
};

/// An endpoint, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: WebhookEndpointId,
    pub store_id: StoreId,
    pub url: String,
    /// Empty: all.
    pub event_types: Vec<String>,
    pub is_active: bool,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<DisabledReason>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A delivery that an instance has claimed.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    pub id: WebhookDeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub store_id: StoreId,
    pub event_id: EventId,
    pub attempt: i32,
    pub body: String,
    pub url: String,
    /// The current one, and those before that still sign.
    pub secrets: Vec<SecretString>,
    /// The fencing token.
    pub claimed_until: DateTime<Utc>,
}

/// An attempt as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDelivery {
    pub id: WebhookDeliveryId,
    pub event_id: EventId,
    pub event_type: String,
    pub aggregate_id: Uuid,
    pub attempt: i32,
    pub due_at: DateTime<Utc>,
    pub at: Option<DateTime<Utc>>,
    pub outcome: Option<DeliveryOutcome>,
    pub status: Option<i32>,
    pub duration_ms: Option<i32>,
    pub error: Option<String>,
}
