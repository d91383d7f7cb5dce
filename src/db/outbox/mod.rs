//! The outbox: events are written with what they tell of, claimed by a relay, and marked (PF-082).
//!
//! A claim is the time until which no other relay looks at an event, `next_attempt_at`. It is told by
//! PostgreSQL's clock, and it is the fence: every later change names the claim under which it is made,
//! so that a relay that slept changes nothing of what another one has claimed or published since.

mod retention;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::domain::{
    event::{EventActor, OrderCreated},
    ids::{EventId, StoreId, UserId},
    order::Checkout,
};

use super::{
    column,
    error::{Doing, Error},
};

pub use retention::{Swept, sweep_published};

/// The most waiting events that are counted: [`lag`] must not cost more while more of them wait.
pub const COUNTED_MAX: i64 = 10_000;

/// Something that happened, for whoever listens.
#[derive(Clone, Debug)]
pub struct Event {
    /// The same however often it is published.
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
    /// Who caused it, where the aggregate knows.
    pub actor: Option<EventActor>,
}

/// An event on its way to the relay.
#[derive(Clone, Debug)]
pub struct ClaimedEvent {
    /// What is to be published.
    pub event: Event,
    /// How often the broker has refused it.
    pub attempts: i32,
    /// The right to publish it.
    pub claim: Claim,
}

/// The right to publish an event, until it ends.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The fence: what the row says as long as nobody else has claimed it.
    until: DateTime<Utc>,
    /// Never later than `until`, by this process's own clock.
    ends_at: Instant,
}

impl Claim {
    /// Whether it still holds. When it has ended, another relay may have published the event.
    pub fn holds(&self) -> bool {
        Instant::now() < self.ends_at
    }
}

/// How far back a relay looks for events that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookBack {
    /// To the oldest.
    Everything,
    /// To those that became due so long ago. The index may be full of entries of events that were
    /// published long since: while somebody's old snapshot keeps them, every look would walk them all.
    Recent(Duration),
}

impl Event {
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
            actor: Some(EventActor {
                user_id: checkout.group.created_by,
                store_id: checkout.group.buyer_store_id.into(),
            }),
        }
    }
}

/// Writes new events, claimed by their writer, who is about to publish them itself: for `claim_for` no
/// relay sees them.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn announce(
    connection: &mut PgConnection,
    events: Vec<Event>,
    claim_for: Duration,
) -> Result<Vec<ClaimedEvent>, Error> {
    let ends_at = Instant::now() + claim_for;
    let until = sqlx::query_scalar!(
        r#"
        with claim as materialized (
            -- The time of now() is that of the transaction's begin, which may be seconds ago.
            select clock_timestamp() + make_interval(secs => $1) as ends_at
        ),
        written as (
            insert into outbox_events (
                next_attempt_at, id, event_type, aggregate_type, aggregate_id, payload, created_at)
            select c.ends_at, n.*
            from claim c
            cross join unnest(
                $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::timestamptz[]) as n
        )
        select ends_at as "ends_at!" from claim
        "#,
        claim_for.as_secs_f64(),
        &column(&events, |event| event.id) as &[EventId],
        &column(&events, |event| event.event_type.clone()),
        &column(&events, |event| event.aggregate_type.clone()),
        &column(&events, |event| event.aggregate_id),
        &column(&events, |event| Json(event.payload.clone())) as &[Json<serde_json::Value>],
        &column(&events, |event| event.created_at),
    )
    .fetch_one(connection)
    .await
    .doing("write outbox events")?;
    let claimed = events.into_iter().map(|event| ClaimedEvent {
        event,
        attempts: 0,
        claim: Claim { until, ends_at },
    });
    Ok(claimed.collect())
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
    look_back: LookBack,
) -> Result<Vec<ClaimedEvent>, Error> {
    let look_back_s = match look_back {
        LookBack::Everything => None,
        LookBack::Recent(time) => Some(time.as_secs_f64()),
    };
    let ends_at = Instant::now() + lease;
    let mut rows = sqlx::query!(
        r#"
        with due as (
            select id
            from outbox_events
            where published_at is null
                and next_attempt_at <= now()
                and next_attempt_at
                    >= coalesce(now() - make_interval(secs => $3), timestamptz '-infinity')
            order by next_attempt_at, id
            limit $1
            for update skip locked
        ),
        claimed as (
            update outbox_events e
            set next_attempt_at = now() + make_interval(secs => $2)
            where e.id = any(array(select id from due))
            returning e.*
        )
        select
            c.id as "id!: EventId",
            c.event_type as "event_type!",
            c.aggregate_type as "aggregate_type!",
            c.aggregate_id as "aggregate_id!",
            c.payload as "payload!",
            -- A time beyond what we can read must not keep its neighbours from being read.
            greatest(
                least(c.created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            c.attempts as "attempts!",
            c.next_attempt_at as "claimed_until!",
            g.created_by as "created_by?: UserId",
            g.buyer_store_id as "buyer_store_id?: StoreId"
        from claimed c
        left join checkout_groups g
            on c.aggregate_type = 'checkout_group'
            and g.id = c.aggregate_id
        "#,
        limit,
        lease.as_secs_f64(),
        look_back_s,
    )
    .fetch_all(connection)
    .await
    .doing("claim outbox events")?;
    // Ids are UUIDv7: this is the order in which the events were written.
    rows.sort_unstable_by_key(|row| row.id);
    let claimed = rows.into_iter().map(|row| ClaimedEvent {
        event: Event {
            id: row.id,
            event_type: row.event_type,
            aggregate_type: row.aggregate_type,
            aggregate_id: row.aggregate_id,
            payload: row.payload,
            created_at: row.created_at,
            actor: row
                .created_by
                .zip(row.buyer_store_id)
                .map(|(user_id, store_id)| EventActor { user_id, store_id }),
        },
        attempts: row.attempts,
        claim: Claim {
            until: row.claimed_until,
            ends_at,
        },
    });
    Ok(claimed.collect())
}

/// Marks events as published, as far as their claims are still ours; returns how many were.
///
/// # Errors
/// The statement failed.
pub async fn mark_published(
    connection: &mut PgConnection,
    events: &[&ClaimedEvent],
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update outbox_events
        set
            published_at = now(),
            last_error = null
        -- Neither a join with unnest nor `published_at is null`: for them a plan that was made while
        -- the outbox was empty walks all of it, or all that waits after the broker was away.
        where id = any($1::uuid[])
            and next_attempt_at = ($2::timestamptz[])[array_position($1::uuid[], id)]
            and num_nulls(published_at) = 1
        "#,
        &column(events, |it| it.event.id) as &[EventId],
        &column(events, |it| it.claim.until),
    )
    .execute(connection)
    .await
    .doing("mark outbox events as published")?;
    Ok(done.rows_affected())
}

/// Gives claims back because the broker can't be reached: no attempt is counted.
///
/// # Errors
/// The statement failed.
pub async fn give_back(
    connection: &mut PgConnection,
    events: &[&ClaimedEvent],
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update outbox_events
        set
            next_attempt_at = now(),
            last_error = $3
        -- As in `mark_published`.
        where id = any($1::uuid[])
            and next_attempt_at = ($2::timestamptz[])[array_position($1::uuid[], id)]
            and num_nulls(published_at) = 1
        "#,
        &column(events, |it| it.event.id) as &[EventId],
        &column(events, |it| it.claim.until),
        error,
    )
    .execute(connection)
    .await
    .doing("give outbox claims back")?;
    Ok(done.rows_affected())
}

/// Counts an attempt that the broker refused and lets the event wait.
///
/// # Errors
/// The statement failed.
pub async fn postpone(
    connection: &mut PgConnection,
    event: &ClaimedEvent,
    wait: Duration,
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update outbox_events
        set
            attempts = attempts + 1,
            next_attempt_at = now() + make_interval(secs => $3),
            last_error = $4
        where id = $1
            and next_attempt_at = $2
            and published_at is null
        "#,
        event.event.id as EventId,
        event.claim.until,
        wait.as_secs_f64(),
        error,
    )
    .execute(connection)
    .await
    .doing("postpone an outbox event")?;
    Ok(done.rows_affected())
}

/// Moves an event that the broker keeps refusing to the dead letters, in one statement. Returns how
/// many were moved: none, if the claim is no longer ours.
///
/// # Errors
/// The statement failed.
pub async fn bury(
    connection: &mut PgConnection,
    event: &ClaimedEvent,
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        with dead as (
            delete from outbox_events
            where id = $1
                and next_attempt_at = $2
                and published_at is null
            returning *
        )
        insert into outbox_dead_letters (
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts,
            next_attempt_at, published_at, last_error, reason)
        select
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts + 1,
            next_attempt_at, published_at, $3, 'max_attempts'
        from dead
        "#,
        event.event.id as EventId,
        event.claim.until,
        error,
    )
    .execute(connection)
    .await
    .doing("bury an outbox event")?;
    Ok(done.rows_affected())
}

/// How much waits to be published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// How many events wait; one more than [`COUNTED_MAX`] means that many or more.
    pub waiting: i64,
    /// For how many seconds the oldest has waited. While more wait than are counted, the oldest of
    /// those that are due first.
    pub oldest_s: f64,
}

/// Measures it, along the index, and no further than what is counted.
///
/// # Errors
/// The statement failed.
pub async fn lag(connection: &mut PgConnection) -> Result<Lag, Error> {
    let row = sqlx::query!(
        r#"
        select
            count(*) as "waiting!",
            coalesce(
                extract(epoch from now() - min(created_at) filter (where isfinite(created_at)))
                    ::double precision,
                0) as "oldest_s!"
        from (
            select created_at
            from outbox_events
            where published_at is null
            order by next_attempt_at, id
            limit $1
        ) as first_due
        "#,
        COUNTED_MAX + 1,
    )
    .fetch_one(connection)
    .await
    .doing("measure the outbox")?;
    Ok(Lag {
        waiting: row.waiting,
        oldest_s: row.oldest_s,
    })
}
