//! The outbox: events are written with what they tell of, claimed by a relay, and marked (PF-082).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::domain::{
    event::{EventActor, OrderCreated},
    ids::{EventId, StoreId, UserId},
    order::Checkout,
};

use super::{
    error::{Doing, Error},
    of,
};

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

impl ClaimedEvent {
    /// The announcement of a checkout, for [`announce`].
    pub fn announcing(checkout: &Checkout, id: EventId, now: DateTime<Utc>) -> Self {
        let payload = OrderCreated::announcing(checkout);
        Self {
            id,
            event_type: OrderCreated::TYPE.to_owned(),
            aggregate_type: OrderCreated::AGGREGATE.to_owned(),
            aggregate_id: checkout.group.id.uuid(),
            payload: serde_json::to_value(payload).expect("an event is JSON"),
            created_at: now,
            attempts: 0,
            actor: Some(EventActor {
                user_id: checkout.group.created_by,
                store_id: checkout.group.buyer_store_id.into(),
            }),
        }
    }
}

/// Writes new events, claimed by their writer, who is about to publish them itself: until
/// `claimed_until` no relay sees them.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn announce(
    connection: &mut PgConnection,
    events: &[ClaimedEvent],
    claimed_until: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        insert into outbox_events (
            next_attempt_at, id, event_type, aggregate_type, aggregate_id, payload, created_at)
        select $1::timestamptz, n.*
        from unnest(
            $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::timestamptz[]) as n
        "#,
        claimed_until,
        &of(events, |event| event.id) as &[EventId],
        &of(events, |event| event.event_type.clone()),
        &of(events, |event| event.aggregate_type.clone()),
        &of(events, |event| event.aggregate_id),
        &of(events, |event| Json(event.payload.clone())) as &[Json<serde_json::Value>],
        &of(events, |event| event.created_at),
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
