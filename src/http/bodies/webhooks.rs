//! Endpoints of webhooks: what creates and changes them, and the lists of them and of their deliveries.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    db::webhooks::{Change, Endpoint, ListedDelivery},
    domain::{
        ids::{EventId, WebhookDeliveryId, WebhookEndpointId},
        webhook::{DeliveryOutcome, DisabledReason, EventType, URL_LEN_MAX},
    },
    http::json::{FromJson, Node, Shape, request_body},
};

use super::{Envelope, orders::PageBody};

request_body! {
    /// An endpoint that is to be created.
    #[schema(as = WebhookEndpointRequest)]
    pub struct NewEndpointBody {
        /// The URL that events are posted to: of https, on a public address, without user name and fragment.
        #[schema(value_type = String, min_length = 1, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
        url: UrlText,
        /// The types of events that it gets. Empty, or left out: all, also those to come.
        #[schema(value_type = Option<Vec<EventType>>, max_items = 7)]
        event_types: Option<EventTypes>,
    }
}

request_body! {
    /// A change of an endpoint. What is left out stays as it is.
    #[schema(as = WebhookEndpointChange)]
    pub struct EndpointChangeBody {
        /// The URL that events are posted to: of https, on a public address, without user name and fragment.
        #[schema(value_type = Option<String>, min_length = 1, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
        url: Option<UrlText>,
        /// The types of events that it gets. Empty: all, also those to come.
        #[schema(value_type = Option<Vec<EventType>>, max_items = 7)]
        event_types: Option<EventTypes>,
        /// False to switch it off, true to switch it on, also after it was disabled.
        #[schema(value_type = Option<bool>)]
        is_active: Option<Flag>,
    }
}

impl NewEndpointBody {
    /// The URL as it was sent, and the types of events.
    pub fn into_parts(self) -> (String, Vec<String>) {
        let event_types = self.event_types.map(|it| it.words());
        (self.url.0, event_types.unwrap_or_default())
    }
}

/// The URL is as it was sent.
impl From<EndpointChangeBody> for Change {
    fn from(body: EndpointChangeBody) -> Self {
        Self {
            url: body.url.map(|it| it.0),
            event_types: body.event_types.map(|it| it.words()),
            is_active: body.is_active.map(|it| it.0),
        }
    }
}

/// A text that may be a URL.
#[derive(Debug)]
struct UrlText(String);

impl FromJson for UrlText {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.text(node, path, URL_LEN_MAX).map(Self)
    }
}

/// Types of events.
#[derive(Debug)]
struct EventTypes(Vec<EventType>);

impl EventTypes {
    /// Their names, each once, in the order of the documentation.
    fn words(&self) -> Vec<String> {
        let all = EventType::WORDS.iter();
        let wanted = all.filter(|(_, it)| self.0.contains(it));
        wanted.map(|(word, _)| (*word).to_owned()).collect()
    }
}

impl FromJson for EventType {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.one_of(node, path, &Self::WORDS)
    }
}

impl FromJson for EventTypes {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.list(node, path, EventType::WORDS.len()).map(Self)
    }
}

/// True or false.
#[derive(Clone, Copy, Debug)]
struct Flag(bool);

impl FromJson for Flag {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        if let Node::Bool(flag) = node {
            return Some(Self(*flag));
        }
        shape.problem(path, "must be true or false");
        None
    }
}

/// An endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub struct EndpointBody<'a> {
    id: WebhookEndpointId,
    /// The URL that events are posted to.
    url: &'a str,
    /// The types of events that it gets; empty: all.
    event_types: &'a [String],
    /// False if it gets nothing.
    is_active: bool,
    /// The time since when it gets nothing; null if it is active.
    #[schema(required = true)]
    disabled_at: Option<DateTime<Utc>>,
    /// The reason why it gets nothing; null if it is active.
    #[schema(required = true)]
    disabled_reason: Option<DisabledReason>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// An endpoint with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpointSecret)]
pub struct EndpointSecretBody<'a> {
    #[serde(flatten)]
    endpoint: EndpointBody<'a>,
    /// Verifies the signatures. It is not shown again.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    secret: &'a str,
}

/// An attempt to deliver an event.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryBody<'a> {
    id: WebhookDeliveryId,
    /// The `webhook-id`, the same in all attempts.
    event_id: EventId,
    /// The type of the event, such as `order_created`.
    event_type: &'a str,
    /// The id of what the event is about, such as an order.
    aggregate_id: Uuid,
    /// Counts the attempts of this event, from 1.
    #[schema(minimum = 1)]
    attempt: i32,
    /// The time before which the attempt is not made.
    due_at: DateTime<Utc>,
    /// The time at which it was made; null if it was not yet.
    #[schema(required = true)]
    at: Option<DateTime<Utc>>,
    /// What became of it; null until it was made.
    #[schema(required = true)]
    outcome: Option<DeliveryOutcome>,
    /// The HTTP status of the answer; null if there was none.
    #[schema(required = true, minimum = 100, maximum = 999)]
    status: Option<i32>,
    /// The time until the answer, in milliseconds.
    #[schema(required = true, minimum = 0)]
    duration_ms: Option<i32>,
    /// The reason why it failed; null if it did not.
    #[schema(required = true)]
    error: Option<&'a str>,
}

/// An attempt that is due now.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub struct AcceptedBody {
    /// The attempt, as the list of deliveries has it.
    delivery_id: WebhookDeliveryId,
}

#[derive(Serialize)]
struct PageEnvelope<'a> {
    data: Vec<DeliveryBody<'a>>,
    page: PageBody,
}

/// The body with one endpoint.
pub fn render_endpoint(found: &Endpoint) -> Vec<u8> {
    let data = endpoint(found);
    serde_json::to_vec(&Envelope { data }).expect("an endpoint is JSON")
}

/// The body with all endpoints of a store.
pub fn render_endpoints(found: &[Endpoint]) -> Vec<u8> {
    let data: Vec<_> = found.iter().map(endpoint).collect();
    serde_json::to_vec(&Envelope { data }).expect("endpoints are JSON")
}

/// The body with an endpoint and its secret.
pub fn render_secret(found: &Endpoint, secret: &SecretString) -> Vec<u8> {
    let data = EndpointSecretBody {
        endpoint: endpoint(found),
        secret: secret.expose_secret(),
    };
    serde_json::to_vec(&Envelope { data }).expect("an endpoint is JSON")
}

/// The body with a page of deliveries.
pub fn render_deliveries(found: &[ListedDelivery], next_cursor: Option<String>) -> Vec<u8> {
    let envelope = PageEnvelope {
        data: found.iter().map(delivery).collect(),
        page: PageBody::continued_at(next_cursor),
    };
    serde_json::to_vec(&envelope).expect("deliveries are JSON")
}

/// The body with an attempt that is due now.
pub fn render_accepted(delivery_id: WebhookDeliveryId) -> Vec<u8> {
    let data = AcceptedBody { delivery_id };
    serde_json::to_vec(&Envelope { data }).expect("an id is JSON")
}

fn endpoint(found: &Endpoint) -> EndpointBody<'_> {
    EndpointBody {
        id: found.id,
        url: &found.url,
        event_types: &found.event_types,
        is_active: found.is_active,
        disabled_at: found.disabled_at,
        disabled_reason: found.disabled_reason,
        created_at: found.created_at,
        updated_at: found.updated_at,
    }
}

fn delivery(found: &ListedDelivery) -> DeliveryBody<'_> {
    DeliveryBody {
        id: found.id,
        event_id: found.event_id,
        event_type: &found.event_type,
        aggregate_id: found.aggregate_id,
        attempt: found.attempt,
        due_at: found.due_at,
        at: found.at,
        outcome: found.outcome,
        status: found.status,
        duration_ms: found.duration_ms,
        error: found.error.as_deref(),
    }
}
