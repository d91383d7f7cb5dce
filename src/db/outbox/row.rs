//! An event as statements select it from `outbox_events` and `outbox_dead_letters`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{
    event::EventActor,
    ids::{EventId, StoreId, UserId},
};

use super::Event;

/// The columns of an event, with the number of refusals and the place in the log, where the statement
/// knows them.
pub(super) struct EventRow {
    pub seq: Option<i64>,
    pub attempts: i32,
    pub id: EventId,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub payload: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub actor_user_id: Option<UserId>,
    pub actor_store_id: Option<StoreId>,
    pub traceparent: Option<String>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        let actor = row.actor_user_id.zip(row.actor_store_id);
        Self {
            id: row.id,
            event_type: row.event_type,
            aggregate_type: row.aggregate_type,
            aggregate_id: row.aggregate_id,
            payload: row.payload,
            created_at: row.created_at,
            actor: actor.map(|(user_id, store_id)| EventActor { user_id, store_id }),
            traceparent: row.traceparent,
        }
    }
}
