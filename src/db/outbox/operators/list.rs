//! Events that a sink has yet to take, or never will.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::error::{Doing, Error},
    domain::ids::EventId,
};

/// The state of an event in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The sink has yet to take it.
    Waiting,
    /// A dead letter: the sink has refused it too often.
    Dead,
}

/// An event in a sink.
#[derive(Clone, Debug)]
pub struct ListedEvent {
    pub sink: String,
    pub id: EventId,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub created_at: DateTime<Utc>,
    /// The number of times that the sink has refused it.
    pub attempts: i32,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

/// At most `limit` events, oldest first; of one sink if it is named.
pub async fn list(
    connection: &mut PgConnection,
    state: State,
    sink: Option<&str>,
    limit: i64,
) -> Result<Vec<ListedEvent>, Error> {
    let listed = match state {
        State::Waiting => waiting(connection, sink, limit).await,
        State::Dead => dead(connection, sink, limit).await,
    };
    listed.doing("list events")
}

async fn waiting(
    connection: &mut PgConnection,
    sink: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<ListedEvent>> {
    sqlx::query_as!(
        ListedEvent,
        r#"
        with waiting as (
            (
                select
                    p.primary_sink as sink, e.id, e.event_type, e.aggregate_type, e.aggregate_id,
                    e.created_at, e.attempts, e.next_attempt_at, e.last_error
                from outbox_sequencing p
                join outbox_events e on e.published_at is null
                where $1::text is null or p.primary_sink = $1
                order by e.next_attempt_at, e.id
                limit $2
            )
            union all
            (
                select
                    s.name, e.id, e.event_type, e.aggregate_type, e.aggregate_id, e.created_at, 0, null,
                    null
                from outbox_sinks s
                cross join lateral (
                    select * from outbox_events where seq > s.position order by seq limit $2
                ) e
                where $1::text is null or s.name = $1
                limit $2
            )
            union all
            (
                select
                    b.sink, e.id, e.event_type, e.aggregate_type, e.aggregate_id, e.created_at, b.attempts,
                    b.next_attempt_at, b.last_error
                from outbox_backlog b
                join outbox_events e on e.id = b.event_id
                where b.dead_at is null
                    and ($1::text is null or b.sink = $1)
                order by b.seq
                limit $2
            )
        )
        select
            coalesce(sink, '') as "sink!",
            id as "id!: EventId",
            event_type as "event_type!",
            aggregate_type as "aggregate_type!",
            aggregate_id as "aggregate_id!",
            greatest(
                least(created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            attempts as "attempts!",
            next_attempt_at,
            last_error
        from waiting
        order by created_at, id
        limit $2
        "#,
        sink,
        limit,
    )
    .fetch_all(connection)
    .await
}

async fn dead(
    connection: &mut PgConnection,
    sink: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<ListedEvent>> {
    sqlx::query_as!(
        ListedEvent,
        r#"
        with dead as (
            select
                p.primary_sink as sink, d.id, d.event_type, d.aggregate_type, d.aggregate_id, d.created_at,
                d.attempts, d.last_error
            from outbox_sequencing p
            cross join outbox_dead_letters d
            where $1::text is null or p.primary_sink = $1
            union all
            select
                b.sink, e.id, e.event_type, e.aggregate_type, e.aggregate_id, e.created_at, b.attempts,
                b.last_error
            from outbox_backlog b
            join lateral (
                select id, event_type, aggregate_type, aggregate_id, created_at
                from outbox_events
                where id = b.event_id
                union all
                select id, event_type, aggregate_type, aggregate_id, created_at
                from outbox_dead_letters
                where id = b.event_id
            ) e on true
            where b.dead_at is not null
                and ($1::text is null or b.sink = $1)
        )
        select
            coalesce(sink, '') as "sink!",
            id as "id!: EventId",
            event_type as "event_type!",
            aggregate_type as "aggregate_type!",
            aggregate_id as "aggregate_id!",
            greatest(
                least(created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            attempts as "attempts!",
            null::timestamptz as next_attempt_at,
            last_error
        from dead
        order by created_at, id
        limit $2
        "#,
        sink,
        limit,
    )
    .fetch_all(connection)
    .await
}
