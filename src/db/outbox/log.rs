//! The events as a log, in the order of `seq`: what followers and live streams read.
//!
//! `seq` is only assigned under the lock of the row in `outbox_sequencing`, which is held until the commit.
//! So a reader that has read up to one `seq` never meets a lower one later.

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::{EventId, StoreId, UserId},
};

use super::{Event, row::EventRow};

/// An event with its place in the log.
#[derive(Clone, Debug)]
pub struct LoggedEvent {
    pub seq: i64,
    pub event: Event,
}

/// Reads events after a place, dead letters of the primary sink among them.
pub async fn read_log(
    connection: &mut PgConnection,
    after_seq: i64,
    limit: i64,
) -> Result<Vec<LoggedEvent>, Error> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"
        with next as (
            select
                seq, id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                actor_store_id, traceparent
            from outbox_events
            where seq > $1
            union all
            select
                seq, id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                actor_store_id, traceparent
            from outbox_dead_letters
            where seq > $1
            order by seq
            limit $2
        )
        select
            n.seq,
            0 as "attempts!",
            n.id as "id!: EventId",
            n.event_type as "event_type!",
            n.aggregate_type as "aggregate_type!",
            n.aggregate_id as "aggregate_id!",
            n.payload as "payload!",
            -- As in `claim`.
            greatest(
                least(n.created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            coalesce(g.created_by, n.actor_user_id) as "actor_user_id?: UserId",
            coalesce(g.buyer_store_id, n.actor_store_id) as "actor_store_id?: StoreId",
            n.traceparent
        from next n
        left join checkout_groups g
            on n.aggregate_type = 'checkout_group'
            and g.id = n.aggregate_id
        order by n.seq
        "#,
        after_seq,
        limit,
    )
    .fetch_all(connection)
    .await
    .doing("read the log of events")?;
    let events = rows.into_iter().map(|row| LoggedEvent {
        seq: row.seq.expect("the log has events with a place only"),
        event: row.into(),
    });
    Ok(events.collect())
}

/// The place of the last event in the log; 0 if there is none.
pub async fn log_end(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar!(
        r#"
        select greatest(
            (select max(seq) from outbox_events where seq is not null),
            (select max(seq) from outbox_dead_letters where seq is not null),
            0) as "end!"
        "#
    )
    .fetch_one(connection)
    .await
    .doing("find the end of the log of events")
}

/// The places of the first and the last event that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// `None` if none is kept. Dead letters, which are kept for longer than others, do not count.
    pub first: Option<i64>,
    pub last: i64,
}

/// Finds both ends of the log.
pub async fn log_bounds(connection: &mut PgConnection) -> Result<LogBounds, Error> {
    let first = sqlx::query_scalar!("select min(seq) from outbox_events where seq is not null")
        .fetch_one(&mut *connection)
        .await
        .doing("find the beginning of the log of events")?;
    let last = log_end(connection).await?;
    Ok(LogBounds { first, last })
}

/// The place of an event in the log; `None` if the event is not kept any more, or has no place yet.
pub async fn place_of(connection: &mut PgConnection, id: EventId) -> Result<Option<i64>, Error> {
    let place = sqlx::query_scalar!(
        r#"
        select seq
        from outbox_events
        where id = $1
        union all
        select seq
        from outbox_dead_letters
        where id = $1
        "#,
        id as EventId,
    )
    .fetch_optional(connection)
    .await
    .doing("find an event in the log")?;
    Ok(place.flatten())
}
