//! Claims events: when they are written, and when a relay finds them due.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::{
        event::EventActor,
        ids::{EventId, StoreId, UserId},
    },
};

use super::{Claim, ClaimedEvent, Event};

/// Limits the search for events that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookBack {
    /// Events of any age.
    Everything,
    /// Events that became due within this time. While a long transaction elsewhere keeps the index entries
    /// of published events from being vacuumed, a search without this limit scans all of them.
    Recent(Duration),
}

/// Writes new events of checkouts, claimed for `claim_for` by the writing process, which is about to
/// publish them.
pub async fn announce(
    connection: &mut PgConnection,
    events: Vec<Event>,
    claim_for: Duration,
) -> Result<Vec<ClaimedEvent>, Error> {
    let expires_at = Instant::now() + claim_for;
    let fencing_token = sqlx::query_scalar!(
        r#"
        with claim as materialized (
            -- Not now(): that is when the transaction began, maybe seconds ago.
            select clock_timestamp() + make_interval(secs => $1) as ends_at
        ),
        written as (
            insert into outbox_events (
                next_attempt_at, id, event_type, aggregate_type, aggregate_id, payload, created_at,
                traceparent)
            select c.ends_at, n.*
            from claim c
            cross join unnest(
                $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::timestamptz[],
                $8::text[]) as n
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
        &column(&events, |event| event.traceparent.clone()) as &[Option<String>],
    )
    .fetch_one(connection)
    .await
    .doing("write outbox events")?;
    let claimed = events.into_iter().map(|event| ClaimedEvent {
        event,
        attempts: 0,
        claim: Claim {
            fencing_token,
            expires_at,
        },
    });
    Ok(claimed.collect())
}

/// Claims unpublished events that are due, oldest first, until the lease expires. Leaves no transaction
/// open.
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
    let expires_at = Instant::now() + lease;
    let rows = sqlx::query_as!(
        ClaimedRow,
        r#"
        with due as (
            select id
            from outbox_events e
            where published_at is null
                and next_attempt_at <= now()
                and next_attempt_at
                    >= coalesce(now() - make_interval(secs => $3), timestamptz '-infinity')
                -- An event waits for the earlier ones of its aggregate.
                and (
                    aggregate_type = 'checkout_group'
                    or not exists (
                        select
                        from outbox_events earlier
                        where earlier.aggregate_type <> 'checkout_group'
                            and num_nulls(earlier.published_at) = 1
                            and earlier.aggregate_id = e.aggregate_id
                            and (earlier.created_at, earlier.id) < (e.created_at, e.id)
                    )
                )
            order by next_attempt_at, id
            limit $1
            for update of e skip locked
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
            -- One time that chrono can't represent must not fail the whole claim.
            greatest(
                least(c.created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            c.attempts as "attempts!",
            c.next_attempt_at as "claimed_until!",
            coalesce(g.created_by, c.actor_user_id) as "actor_user_id?: UserId",
            coalesce(g.buyer_store_id, c.actor_store_id) as "actor_store_id?: StoreId",
            c.traceparent
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
    Ok(claimed_events(rows, expires_at))
}

/// A row that was just claimed.
pub(super) struct ClaimedRow {
    pub id: EventId,
    pub event_type: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub payload: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub attempts: i32,
    pub claimed_until: DateTime<Utc>,
    pub actor_user_id: Option<UserId>,
    pub actor_store_id: Option<StoreId>,
    pub traceparent: Option<String>,
}

/// The claims of one statement, in the sequence of the events' ids, which are UUIDv7: in that in which
/// they were written.
pub(super) fn claimed_events(mut rows: Vec<ClaimedRow>, expires_at: Instant) -> Vec<ClaimedEvent> {
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
                .actor_user_id
                .zip(row.actor_store_id)
                .map(|(user_id, store_id)| EventActor { user_id, store_id }),
            traceparent: row.traceparent,
        },
        attempts: row.attempts,
        claim: Claim {
            fencing_token: row.claimed_until,
            expires_at,
        },
    });
    claimed.collect()
}
