//! Events of aggregates that have several, such as orders: written with the change, and claimed one after
//! the other.
//!
//! The partial index on their unpublished events answers both questions about an aggregate: whether one of
//! its events waits, and which comes first. A checkout group has a single event, which is in neither the
//! index nor the statements of this file.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::ids::{EventId, StoreId, UserId},
};

use super::{
    Claim, ClaimedEvent, Event,
    claims::{ClaimedRow, claimed_events},
};

/// Writes events in the transaction that changes their aggregates, and returns those that are claimed for
/// `claim_for` by the writing process.
///
/// An event is not claimed if an earlier one of its aggregate is unpublished. It is due at once, and a relay
/// claims it when the earlier one is published. The aggregate's row (of the order, of the product's stock)
/// must be locked since before the event was made: without the lock an earlier event may be uncommitted,
/// and is not seen here.
pub async fn announce_in_order(
    connection: &mut PgConnection,
    events: Vec<Event>,
    claim_for: Duration,
) -> Result<Vec<ClaimedEvent>, Error> {
    let expires_at = Instant::now() + claim_for;
    let user_ids = column(&events, |event| event.actor.map(|actor| actor.user_id));
    let store_ids = column(&events, |event| event.actor.map(|actor| actor.store_id));
    let written = sqlx::query!(
        r#"
        with claim as materialized (
            -- Not now(): that is when the transaction began, maybe seconds ago.
            select clock_timestamp() as due_at, clock_timestamp() + make_interval(secs => $1) as ends_at
        ),
        new as materialized (
            select
                n.*,
                -- Of two events of one aggregate in one transaction, only the first may be claimed.
                row_number() over (partition by aggregate_id order by created_at, id) = 1
                    and not exists (
                        select
                        from outbox_events earlier
                        where earlier.aggregate_type <> 'checkout_group'
                            and num_nulls(earlier.published_at) = 1
                            and earlier.aggregate_id = n.aggregate_id
                    ) as is_claimed
            from unnest(
                $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::timestamptz[],
                $8::uuid[], $9::uuid[], $10::text[])
                as n (
                    id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                    actor_store_id, traceparent)
        ),
        written as (
            insert into outbox_events (
                id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                actor_store_id, traceparent, next_attempt_at)
            select
                id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                actor_store_id, traceparent, case when is_claimed then ends_at else due_at end
            from new
            cross join claim
        )
        select id as "id!: EventId", ends_at as "ends_at!"
        from new
        cross join claim
        where is_claimed
        "#,
        claim_for.as_secs_f64(),
        &column(&events, |event| event.id) as &[EventId],
        &column(&events, |event| event.event_type.clone()),
        &column(&events, |event| event.aggregate_type.clone()),
        &column(&events, |event| event.aggregate_id),
        &column(&events, |event| Json(event.payload.clone())) as &[Json<serde_json::Value>],
        &column(&events, |event| event.created_at),
        &user_ids as &[Option<UserId>],
        &store_ids as &[Option<StoreId>],
        &column(&events, |event| event.traceparent.clone()) as &[Option<String>],
    )
    .fetch_all(connection)
    .await
    .doing("write outbox events in order")?;
    let claims: HashMap<EventId, DateTime<Utc>> = written
        .into_iter()
        .map(|row| (row.id, row.ends_at))
        .collect();
    let claimed = events.into_iter().filter_map(|event| {
        let fencing_token = *claims.get(&event.id)?;
        Some(ClaimedEvent {
            event,
            attempts: 0,
            claim: Claim {
                fencing_token,
                expires_at,
            },
        })
    });
    Ok(claimed.collect())
}

/// Claims the earliest unpublished event of each of these aggregates, unless it is claimed or postponed.
/// However long an event has waited, it is found.
pub async fn claim_next_in_order(
    connection: &mut PgConnection,
    aggregate_ids: &[Uuid],
    lease: Duration,
) -> Result<Vec<ClaimedEvent>, Error> {
    let expires_at = Instant::now() + lease;
    let rows = sqlx::query_as!(
        ClaimedRow,
        r#"
        with first as (
            select e.id
            from unnest($1::uuid[]) as a (id)
            cross join lateral (
                select id
                from outbox_events
                where aggregate_type <> 'checkout_group'
                    and num_nulls(published_at) = 1
                    and aggregate_id = a.id
                order by created_at, id
                limit 1
            ) e
        ),
        due as (
            select id
            from outbox_events
            where id = any(array(select id from first))
                -- Compared once more when the row is locked: another relay may have claimed it.
                and num_nulls(published_at) = 1
                and next_attempt_at <= now()
            for update skip locked
        )
        update outbox_events e
        set next_attempt_at = now() + make_interval(secs => $2)
        where e.id = any(array(select id from due))
        returning
            e.id as "id: EventId",
            e.event_type,
            e.aggregate_type,
            e.aggregate_id,
            e.payload,
            greatest(
                least(e.created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            e.attempts,
            e.next_attempt_at as claimed_until,
            e.actor_user_id as "actor_user_id?: UserId",
            e.actor_store_id as "actor_store_id?: StoreId",
            e.traceparent
        "#,
        aggregate_ids,
        lease.as_secs_f64(),
    )
    .fetch_all(connection)
    .await
    .doing("claim the next events of aggregates")?;
    Ok(claimed_events(rows, expires_at))
}
