//! One event, and its state in every sink.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::{EventId, StoreId, UserId},
};

use super::super::{Event, primary_sink, row::EventRow};

/// An event with its state in every sink.
#[derive(Clone, Debug)]
pub struct EventDetail {
    pub event: Event,
    /// The primary sink first, then the followers by name.
    pub sinks: Vec<SinkProgress>,
}

/// The state of an event in one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkProgress {
    pub sink: String,
    /// `published`, `waiting` or `dead`.
    pub state: &'static str,
    /// The time of the publication; known for the primary sink only.
    pub published_at: Option<DateTime<Utc>>,
    pub attempts: i32,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

/// Finds an event; `None` if it is not kept.
pub async fn find(
    connection: &mut PgConnection,
    id: EventId,
) -> Result<Option<EventDetail>, Error> {
    let row = sqlx::query_as!(
        EventRow,
        r#"
        select
            e.seq,
            e.attempts as "attempts!",
            e.id as "id!: EventId",
            e.event_type as "event_type!",
            e.aggregate_type as "aggregate_type!",
            e.aggregate_id as "aggregate_id!",
            e.payload as "payload!",
            greatest(
                least(e.created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            coalesce(g.created_by, e.actor_user_id) as "actor_user_id?: UserId",
            coalesce(g.buyer_store_id, e.actor_store_id) as "actor_store_id?: StoreId",
            e.traceparent
        from (
            select
                seq, attempts, id, event_type, aggregate_type, aggregate_id, payload, created_at,
                actor_user_id, actor_store_id, traceparent
            from outbox_events
            where id = $1
            union all
            select
                seq, attempts, id, event_type, aggregate_type, aggregate_id, payload, created_at,
                actor_user_id, actor_store_id, traceparent
            from outbox_dead_letters
            where id = $1
        ) e
        left join checkout_groups g
            on e.aggregate_type = 'checkout_group'
            and g.id = e.aggregate_id
        "#,
        id as EventId,
    )
    .fetch_optional(&mut *connection)
    .await
    .doing("find an event")?;
    let Some(row) = row else {
        return Ok(None);
    };
    let mut sinks = Vec::new();
    if let Some(name) = primary_sink(&mut *connection).await? {
        sinks.push(in_primary(&mut *connection, id, name).await?);
    }
    sinks.extend(in_followers(connection, id).await?);
    Ok(Some(EventDetail {
        event: row.into(),
        sinks,
    }))
}

async fn in_primary(
    connection: &mut PgConnection,
    id: EventId,
    sink: String,
) -> Result<SinkProgress, Error> {
    let row = sqlx::query!(
        r#"
        select
            attempts as "attempts!",
            next_attempt_at as "next_attempt_at!",
            published_at,
            last_error,
            is_dead as "is_dead!"
        from (
            select attempts, next_attempt_at, published_at, last_error, false as is_dead
            from outbox_events
            where id = $1
            union all
            select attempts, next_attempt_at, published_at, last_error, true
            from outbox_dead_letters
            where id = $1
        ) e
        "#,
        id as EventId,
    )
    .fetch_one(connection)
    .await
    .doing("find the state of an event in the primary sink")?;
    let state = match (row.is_dead, row.published_at) {
        (true, _) => "dead",
        (false, Some(_)) => "published",
        (false, None) => "waiting",
    };
    Ok(SinkProgress {
        sink,
        state,
        published_at: row.published_at,
        attempts: row.attempts,
        next_attempt_at: (state == "waiting").then_some(row.next_attempt_at),
        last_error: row.last_error,
    })
}

async fn in_followers(
    connection: &mut PgConnection,
    id: EventId,
) -> Result<Vec<SinkProgress>, Error> {
    let rows = sqlx::query!(
        r#"
        select
            s.name,
            case
                when b.dead_at is not null then 'dead'
                when b.seq is not null or p.seq is null or p.seq > s.position then 'waiting'
                else 'published'
            end as "state!",
            coalesce(b.attempts, 0) as "attempts!",
            case when b.dead_at is null then b.next_attempt_at end as next_attempt_at,
            b.last_error as "last_error?"
        from outbox_sinks s
        cross join (
            select seq from outbox_events where id = $1
            union all
            select seq from outbox_dead_letters where id = $1
        ) p
        left join outbox_backlog b
            on b.sink = s.name
            and b.seq = p.seq
        order by s.name
        "#,
        id as EventId,
    )
    .fetch_all(connection)
    .await
    .doing("find the state of an event in the followers")?;
    let sinks = rows.into_iter().map(|row| SinkProgress {
        sink: row.name,
        state: match row.state.as_str() {
            "dead" => "dead",
            "waiting" => "waiting",
            _ => "published",
        },
        published_at: None,
        attempts: row.attempts,
        next_attempt_at: row.next_attempt_at,
        last_error: row.last_error,
    });
    Ok(sinks.collect())
}
