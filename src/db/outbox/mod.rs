//! The outbox: events are written in the transaction that they announce, claimed by a relay, and marked as
//! published (PF-082).
//!
//! A claim is a lease: until it expires no other relay sees the event. The time of its expiry, in
//! `next_attempt_at` and by PostgreSQL's clock, is its fencing token: every later statement about the event
//! names the claim that it acts under, so a relay that slept changes no row that another relay has claimed
//! or published since.
//!
//! Events of one aggregate are published in the order of their `created_at`: none is claimed while an
//! earlier one is unpublished. An event that was moved to the dead letters holds up no other.
//!
//! Claims and `published_at` are the progress of one sink, the primary one. Each further sink follows the
//! events as a log, in the order of `seq`, which an event is given when it is first settled: published,
//! refused, or left because the primary sink is away.

mod backlog;
mod claims;
mod in_order;
mod lag;
mod log;
pub mod operators;
mod retention;
mod row;
mod sequence;
mod settle;
mod sinks;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{
    event::{ENVELOPE_VERSION, Envelope, EventActor, InventoryLow, OrderCreated, OrderMoved},
    ids::EventId,
    low_stock::StockTaken,
    order::{Checkout, PlacedOrder},
    order_moves::{Move, Moved},
    trace_context::TraceParent,
};

pub use backlog::{
    BacklogEvent, BacklogRow, add_to_backlog, count_refusal_in_backlog, drop_gone_from_backlog,
    due_of_backlog, read_backlog, remove_from_backlog,
};
pub use claims::{LookBack, announce, claim};
pub use in_order::{announce_in_order, claim_next_in_order};
pub use lag::{COUNTED_MAX, FollowerLag, Lag, follower_lag, lag};
pub use log::{LogBounds, LoggedEvent, log_bounds, log_end, place_of, read_log};
pub use retention::{Swept, sweep_published};
pub use sequence::{RECENTLY_WRITTEN, sequence_waiting};
pub use settle::{mark_published, move_to_dead_letters, postpone, release};
pub use sinks::{
    Ownership, Primary, give_up_follower, own_follower, primary_sink, save_progress, settle_sinks,
};

/// The time for which the writer of an event has it to itself, before any relay may publish it: what a
/// crash right after a commit delays the event by.
pub const FRESH_CLAIM: Duration = Duration::from_secs(5);

/// A row of `outbox_events`.
#[derive(Clone, Debug)]
pub struct Event {
    /// The same in every publication of this event.
    pub id: EventId,
    /// Such as `order_created`.
    pub event_type: String,
    /// Such as `checkout_group`.
    pub aggregate_type: String,
    /// The id of the aggregate.
    pub aggregate_id: Uuid,
    /// The envelope's `data`.
    pub payload: serde_json::Value,
    /// The time of the event itself.
    pub created_at: DateTime<Utc>,
    /// The person who caused it. That of an `order_created` is in its checkout group, not in its own row.
    pub actor: Option<EventActor>,
    /// The W3C Trace Context of the request that caused it.
    pub traceparent: Option<String>,
}

/// An event that a relay may publish.
#[derive(Clone, Debug)]
pub struct ClaimedEvent {
    /// The event.
    pub event: Event,
    /// The number of times that the broker has refused it.
    pub attempts: i32,
    /// The right to publish it.
    pub claim: Claim,
}

/// The right to publish an event, until it expires.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The row's `next_attempt_at`, which changes when another relay claims the event.
    fencing_token: DateTime<Utc>,
    /// The expiry by this process's clock, never later than PostgreSQL's.
    expires_at: Instant,
}

impl Claim {
    /// True if the claim has not expired. After that another relay may have published the event.
    pub fn holds(&self) -> bool {
        Instant::now() < self.expires_at
    }
}

impl Event {
    /// The event as it is published.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            version: ENVELOPE_VERSION,
            event_id: self.id,
            occurred_at: self.created_at,
            event_type: self.event_type.clone(),
            aggregate_type: self.aggregate_type.clone(),
            aggregate_id: self.aggregate_id,
            actor: self.actor,
            data: self.payload.clone(),
        }
    }

    /// Makes the `order_created` of a checkout.
    pub fn announcing(checkout: &Checkout, id: EventId, now: DateTime<Utc>) -> Self {
        let payload = OrderCreated::announcing(checkout);
        Self {
            id,
            event_type: OrderCreated::TYPE.to_owned(),
            aggregate_type: OrderCreated::AGGREGATE.to_owned(),
            aggregate_id: checkout.group.id.uuid(),
            payload: serde_json::to_value(payload).expect("an event is JSON"),
            created_at: now,
            actor: Some(EventActor {
                user_id: checkout.group.created_by,
                store_id: checkout.group.buyer_store_id.into(),
            }),
            traceparent: None,
        }
    }

    /// Makes the event of a move; `order` is the order after it, and `None` the service itself.
    pub fn of_move(
        order: &PlacedOrder,
        moved: &Moved,
        made: &Move,
        actor: Option<EventActor>,
        id: EventId,
    ) -> Self {
        let (event_type, payload) = OrderMoved::announcing(order, moved, made);
        Self {
            id,
            event_type: event_type.to_owned(),
            aggregate_type: OrderMoved::AGGREGATE.to_owned(),
            aggregate_id: payload.order_id.uuid(),
            payload: serde_json::to_value(payload).expect("an event is JSON"),
            // Later than that of the order's previous move, whichever instance made it.
            created_at: order.updated_at,
            actor,
            traceparent: None,
        }
    }

    /// The event, caused by a request of this trace.
    #[must_use]
    pub fn in_trace(self, traceparent: Option<&TraceParent>) -> Self {
        Self {
            traceparent: traceparent.map(ToString::to_string),
            ..self
        }
    }

    /// Makes the event of stock that has run low; `None` is also the actor of a batch of checkouts, of which
    /// none alone has caused it.
    pub fn of_low_stock(taken: &StockTaken, actor: Option<EventActor>, id: EventId) -> Self {
        let payload = InventoryLow::announcing(taken);
        Self {
            id,
            event_type: InventoryLow::TYPE.to_owned(),
            aggregate_type: InventoryLow::AGGREGATE.to_owned(),
            aggregate_id: payload.product_id.uuid(),
            payload: serde_json::to_value(payload).expect("an event is JSON"),
            created_at: taken.taken_at,
            actor,
            traceparent: None,
        }
    }
}
