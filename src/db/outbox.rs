//! The outbox: events are written with what they tell of, claimed by a relay, and marked (PF-082).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::domain::{
    event::{EventActor, OrderCreated},
    ids::{EventId, StoreId, UserId},
};

use super::error::{Doing, Error};

/// An event on its way to the relay.
#[derive(Clone, Debug)]
pub struct ClaimedEvent {
    /// The same however often it is claimed.
    pub id: EventId,
    /// Such as `order_created`.
    pub event_type: String,
    /// Such as `checkout_group`.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// The event's `data`.
    pub payload: serde_json::Value,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// How often the broker has refused it.
    pub attempts: i32,
    /// Who caused it, where the aggregate knows.
    pub actor: Option<EventActor>,
}

/// Writes the announcements of checkouts.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn announce(
    connection: &mut PgConnection,
    events: &[(EventId, OrderCreated)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids: Vec<_> = events.iter().map(|(id, _)| *id).collect();
    let groups: Vec<_> = events
        .iter()
        .map(|(_, event)| event.checkout_group_id.uuid())
        .collect();
    let payloads: Vec<_> = events.iter().map(|(_, event)| Json(event)).collect();
    sqlx::query!(
        r#"
        insert into outbox_events (
            event_type, aggregate_type, created_at, next_attempt_at, id, aggregate_id, payload)
        select $1::text, $2::text, $3::timestamptz, $3::timestamptz, n.*
        from unnest($4::uuid[], $5::uuid[], $6::jsonb[]) as n
        "#,
        OrderCreated::TYPE,
        OrderCreated::AGGREGATE,
        now,
        &ids as &[EventId],
        &groups,
        &payloads as &[Json<&OrderCreated>],
    )
    .execute(connection)
    .await
    .doing("write outbox events")?;
    Ok(())
}

/// Claims unpublished events that are due, oldest first: until the lease ends no other relay sees
/// them. No transaction stays open.
///
/// # Errors
/// The statement failed.
pub async fn claim(
    connection: &mut PgConnection,
    limit: i64,
    lease: Duration,
) -> Result<Vec<ClaimedEvent>, Error> {
    let mut rows = sqlx::query!(
        r#"
        with due as (
            select id
            from outbox_events
            where published_at is null
                and next_attempt_at <= now()
            order by next_attempt_at, id
            limit $1
            for update skip locked
        ),
        claimed as (
            update outbox_events e
            set next_attempt_at = now() + make_interval(secs => $2)
            from due
            where e.id = due.id
            returning e.*
        )
        select
            c.id as "id!: EventId",
            c.event_type as "event_type!",
            c.aggregate_type as "aggregate_type!",
            c.aggregate_id as "aggregate_id!",
            c.payload as "payload!",
            c.created_at as "created_at!",
            c.attempts as "attempts!",
            g.created_by as "created_by?: UserId",
            g.buyer_store_id as "buyer_store_id?: StoreId"
        from claimed c
        left join checkout_groups g
            on c.aggregate_type = 'checkout_group'
            and g.id = c.aggregate_id
        "#,
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(connection)
    .await
    .doing("claim outbox events")?;
    // Ids are UUIDv7: this is the order in which the events were written.
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows
        .into_iter()
        .map(|row| ClaimedEvent {
            id: row.id,
            event_type: row.event_type,
            aggregate_type: row.aggregate_type,
            aggregate_id: row.aggregate_id,
            payload: row.payload,
            created_at: row.created_at,
            attempts: row.attempts,
            actor: row
                .created_by
                .zip(row.buyer_store_id)
                .map(|(user_id, store_id)| EventActor { user_id, store_id }),
        })
        .collect())
}

/// Marks events as published.
///
/// # Errors
/// The statement failed.
pub async fn mark_published(connection: &mut PgConnection, ids: &[EventId]) -> Result<(), Error> {
    sqlx::query!(
        r#"
        update outbox_events
        set
            published_at = now(),
            last_error = null
        where id = any($1)
        "#,
        ids as &[EventId],
    )
    .execute(connection)
    .await
    .doing("mark outbox events as published")?;
    Ok(())
}

/// Gives claims back because the broker can't be reached: no attempt is counted.
///
/// # Errors
/// The statement failed.
pub async fn give_back(
    connection: &mut PgConnection,
    ids: &[EventId],
    error: &str,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        update outbox_events
        set
            next_attempt_at = now(),
            last_error = $2
        where id = any($1)
        "#,
        ids as &[EventId],
        error,
    )
    .execute(connection)
    .await
    .doing("give outbox claims back")?;
    Ok(())
}

/// Counts an attempt that the broker refused and lets the event wait.
///
/// # Errors
/// The statement failed.
pub async fn postpone(
    connection: &mut PgConnection,
    id: EventId,
    wait: Duration,
    error: &str,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        update outbox_events
        set
            attempts = attempts + 1,
            next_attempt_at = now() + make_interval(secs => $2),
            last_error = $3
        where id = $1
        "#,
        id as EventId,
        wait.as_secs_f64(),
        error,
    )
    .execute(connection)
    .await
    .doing("postpone an outbox event")?;
    Ok(())
}

/// Moves an event that the broker keeps refusing to the dead letters, in one statement.
///
/// # Errors
/// The statement failed.
pub async fn bury(connection: &mut PgConnection, id: EventId, error: &str) -> Result<(), Error> {
    sqlx::query!(
        r#"
        with dead as (
            delete from outbox_events where id = $1 returning *
        )
        insert into outbox_dead_letters (
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts,
            next_attempt_at, published_at, last_error, reason)
        select
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts + 1,
            next_attempt_at, published_at, $2, 'max_attempts'
        from dead
        "#,
        id as EventId,
        error,
    )
    .execute(connection)
    .await
    .doing("bury an outbox event")?;
    Ok(())
}

/// How many events wait, and for how many seconds the oldest has waited.
///
/// # Errors
/// The statement failed.
pub async fn lag(connection: &mut PgConnection) -> Result<(i64, f64), Error> {
    let row = sqlx::query!(
        r#"
        select
            count(*) as "waiting!",
            coalesce(extract(epoch from now() - min(created_at))::double precision, 0) as "oldest_s!"
        from outbox_events
        where published_at is null
        "#,
    )
    .fetch_one(connection)
    .await
    .doing("measure the outbox")?;
    Ok((row.waiting, row.oldest_s))
}
