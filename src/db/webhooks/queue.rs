//! The queue of deliveries: claims what is due, and records what became of it.
//!
//! A claim is a lease: its expiry, by PostgreSQL's clock, is the fencing token, and a record names the claim
//! that it is made under. An instance that slept records nothing about an attempt that another one has
//! claimed since.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::{EventId, StoreId, WebhookDeliveryId, WebhookEndpointId},
};

use super::ClaimedDelivery;

/// The most deliveries of an endpoint that a look goes through, oldest first: one with many that wait for
/// others of their aggregates slows nobody else's look down.
const WINDOW: i64 = 200;

/// An attempt that was made under a claim.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub id: WebhookDeliveryId,
    pub claimed_until: DateTime<Utc>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    pub duration: Duration,
}

/// What follows from a failed attempt.
#[derive(Clone, Debug)]
pub struct Failed<'a> {
    pub error: &'a str,
    /// The id of the next attempt, and the pause before it.
    pub next: Option<(WebhookDeliveryId, Duration)>,
    /// The endpoint has answered that it is gone.
    pub is_gone: bool,
    /// The time of failures without a success after which the endpoint is disabled.
    pub failing_max: Duration,
}

/// The outcome of recording an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkOutcome {
    Recorded,
    /// The same, and the endpoint is disabled now.
    Disabled,
    /// Another instance has claimed the attempt since, or the endpoint was deleted.
    Lost,
}

/// The places of one instance that are taken, and those that there may be.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Stores with posts under way, each with their number.
    pub of_stores: Vec<(StoreId, i64)>,
    /// The most posts of one store.
    pub per_store_max: i64,
    /// The most posts to one endpoint, of all instances.
    pub per_endpoint_max: i64,
}

/// The endpoints that a look takes into account.
#[derive(Clone, Debug)]
pub enum Look {
    /// All of them. Walks over dead rows, if there are any that an old snapshot keeps.
    Whole,
    /// Those that have become due lately, and these.
    Recent(Vec<WebhookEndpointId>),
}

/// The time for which an endpoint has become due lately. More than twice that between two whole looks.
const RECENT: Duration = Duration::from_secs(12);

/// Finds at most `limit` active endpoints with a free place and a delivery that can be claimed: due, under no
/// claim, and the first of its aggregate. That of which nothing was claimed for the longest time comes first.
pub async fn find_due(
    connection: &mut PgConnection,
    limit: i64,
    look: &Look,
    places: &Places,
) -> Result<Vec<WebhookEndpointId>, Error> {
    let (recent, these) = match look {
        Look::Whole => (None, &[][..]),
        Look::Recent(these) => (Some(RECENT.as_secs_f64()), &these[..]),
    };
    let full = places.of_stores.iter();
    let full = full.filter(|(_, under_way)| *under_way >= places.per_store_max);
    let full: Vec<_> = full.map(|(store, _)| *store).collect();
    sqlx::query_scalar!(
        r#"
        with candidates as (
            select id
            from webhook_endpoints
            where is_active
                and next_due_at <= now()
                and next_due_at > coalesce(now() - make_interval(secs => $2::float8), '-infinity')
            union
            select id
            from webhook_endpoints
            where id = any($3::uuid[])
        )
        select e.id as "id: WebhookEndpointId"
        from webhook_endpoints e
        where e.id = any(array(select id from candidates))
            and e.is_active
            -- In a form for which no index of times is used: that was done above.
            and coalesce(e.next_due_at <= now(), false)
            and e.store_id <> all($4::uuid[])
            and (
                select count(*)
                from webhook_deliveries d
                where d.endpoint_id = e.id
                    and d.outcome is null
                    and d.due_at > now()
                    and d.claimed_until > now()
            ) < $5
            and exists (
                select
                from (
                    select d.aggregate_id, d.position, d.claimed_until
                    from webhook_deliveries d
                    where d.endpoint_id = e.id
                        and d.outcome is null
                        and d.due_at >= e.next_due_at
                        and d.due_at <= now()
                    order by d.due_at, d.position
                    limit $6
                ) d
                where (d.claimed_until is null or d.claimed_until <= now())
                    and not exists (
                        select
                        from webhook_deliveries earlier
                        where earlier.endpoint_id = e.id
                            and earlier.aggregate_id = d.aggregate_id
                            and earlier.outcome is null
                            and earlier.position < d.position
                    )
            )
        order by e.claimed_at nulls first, e.id
        limit $1
        "#,
        limit,
        recent,
        these as &[WebhookEndpointId],
        &full as &[StoreId],
        places.per_endpoint_max,
        WINDOW,
    )
    .fetch_all(connection)
    .await
    .doing("look for webhook deliveries that are due")
}

/// Claims deliveries of these endpoints that are due: of each so many that at most
/// [`Places::per_endpoint_max`] are under way on all instances, and of each aggregate the first that waits.
/// Must run in a transaction, which locks the endpoints, so that no two instances count the same places as
/// free; those that are locked are left out.
#[expect(
    clippy::too_many_lines,
    reason = "a single statement, and the types of its columns"
)]
pub async fn claim_due(
    connection: &mut PgConnection,
    endpoints: &[WebhookEndpointId],
    limit: i64,
    places: &Places,
    lease: Duration,
) -> Result<Vec<ClaimedDelivery>, Error> {
    let endpoints = lock_endpoints(connection, endpoints).await?;
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let stores: Vec<_> = places.of_stores.iter().map(|(store, _)| *store).collect();
    let under_way: Vec<_> = places.of_stores.iter().map(|(_, number)| *number).collect();
    let rows = sqlx::query!(
        r#"
        with free as (
            select e.id, e.store_id, e.next_due_at, e.claimed_at, greatest(0, $2 - (
                select count(*)
                from webhook_deliveries d
                where d.endpoint_id = e.id
                    and d.outcome is null
                    and d.due_at > now()
                    and d.claimed_until > now()
            )) as places
            from webhook_endpoints e
            where e.id = any($1::uuid[])
        ),
        due as (
            select d.id, f.claimed_at, f.id as endpoint_id,
                row_number() over (partition by f.store_id order by f.claimed_at nulls first, f.id)
                    + coalesce(s.under_way, 0) as number_of_store
            from free f
            left join unnest($5::uuid[], $6::bigint[]) as s (id, under_way) on s.id = f.store_id
            cross join lateral (
                select d.id
                from (
                    select d.id, d.aggregate_id, d.position, d.due_at, d.claimed_until
                    from webhook_deliveries d
                    where d.endpoint_id = f.id
                        and d.outcome is null
                        and d.due_at >= f.next_due_at
                        and d.due_at <= now()
                    order by d.due_at, d.position
                    limit $8
                ) d
                where (d.claimed_until is null or d.claimed_until <= now())
                    and not exists (
                        select
                        from webhook_deliveries earlier
                        where earlier.endpoint_id = f.id
                            and earlier.aggregate_id = d.aggregate_id
                            and earlier.outcome is null
                            and earlier.position < d.position
                    )
                order by d.due_at, d.position
                limit f.places
            ) d
        ),
        chosen as (
            select id, endpoint_id
            from due
            where number_of_store <= $7
            order by claimed_at nulls first, endpoint_id
            limit $3
        ),
        turns as (
            update webhook_endpoints
            set claimed_at = now()
            where id = any(array(select endpoint_id from chosen))
                and (claimed_at is null or claimed_at < now() - interval '1 second')
        )
        update webhook_deliveries d
        set
            claimed_until = claim.until,
            due_at = claim.until,
            at = claim.at
        from webhook_endpoints e,
            -- Not now(), which the other instance may have read before us.
            (select clock_timestamp() as at, clock_timestamp() + make_interval(secs => $4) as until) claim
        where d.id = any(array(select id from chosen))
            and d.outcome is null
            and (d.claimed_until is null or d.claimed_until <= now())
            and e.id = d.endpoint_id
        returning
            d.id as "id: WebhookDeliveryId",
            d.endpoint_id as "endpoint_id: WebhookEndpointId",
            e.store_id as "store_id: StoreId",
            d.event_id as "event_id: EventId",
            d.attempt,
            d.body,
            d.claimed_until as "claimed_until!",
            e.url,
            e.secret,
            array(
                select old.secret
                from unnest(e.old_secrets, e.old_secrets_until) with ordinality as old (secret, until, number)
                where old.until > now()
                order by old.number desc
            ) as "old_secrets!"
        "#,
        &endpoints as &[WebhookEndpointId],
        places.per_endpoint_max,
        limit,
        lease.as_secs_f64(),
        &stores as &[StoreId],
        &under_way,
        places.per_store_max,
        WINDOW,
    )
    .fetch_all(connection)
    .await
    .doing("claim webhook deliveries")?;
    let claimed = rows.into_iter().map(|row| ClaimedDelivery {
        id: row.id,
        endpoint_id: row.endpoint_id,
        store_id: row.store_id,
        event_id: row.event_id,
        attempt: row.attempt,
        body: row.body,
        url: row.url,
        secrets: std::iter::once(row.secret)
            .chain(row.old_secrets)
            .map(SecretString::from)
            .collect(),
        claimed_until: row.claimed_until,
    });
    Ok(claimed.collect())
}

async fn lock_endpoints(
    connection: &mut PgConnection,
    endpoints: &[WebhookEndpointId],
) -> Result<Vec<WebhookEndpointId>, Error> {
    sqlx::query_scalar!(
        r#"
        select id as "id: WebhookEndpointId"
        from webhook_endpoints
        where id = any($1)
            and is_active
        order by id
        for no key update skip locked
        "#,
        endpoints as &[WebhookEndpointId],
    )
    .fetch_all(connection)
    .await
    .doing("lock webhook endpoints")
}

/// Moves the time at which endpoints are due on to that of their first delivery that waits. Must run in a
/// transaction of its own.
pub async fn move_due_times_on(connection: &mut PgConnection) -> Result<(), Error> {
    // A statement of its own: the next one sees what was written before these were locked.
    let endpoints = sqlx::query_scalar!(
        r#"
        select id as "id: WebhookEndpointId"
        from webhook_endpoints
        where is_active
            and next_due_at <= now()
        order by next_due_at
        limit 10000
        for no key update skip locked
        "#,
    )
    .fetch_all(&mut *connection)
    .await
    .doing("lock webhook endpoints")?;
    if endpoints.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        update webhook_endpoints e
        set next_due_at = first.due_at
        from (
            select e.id, (
                select min(d.due_at)
                from webhook_deliveries d
                where d.endpoint_id = e.id
                    and d.outcome is null
                    and d.due_at >= e.next_due_at
            ) as due_at
            from webhook_endpoints e
            where e.id = any($1)
        ) first
        where e.id = first.id
            and e.next_due_at is distinct from first.due_at
        "#,
        &endpoints as &[WebhookEndpointId],
    )
    .execute(connection)
    .await
    .doing("move the due times of webhook endpoints on")?;
    Ok(())
}

/// Records an attempt that succeeded.
pub async fn mark_delivered(
    connection: &mut PgConnection,
    attempt: &Attempt,
) -> Result<MarkOutcome, Error> {
    let marked = sqlx::query!(
        r#"
        with marked as (
            update webhook_deliveries
            set
                outcome = 'delivered',
                status = $3,
                duration_ms = $4,
                claimed_until = null
            where id = $1
                and claimed_until = $2
                and outcome is null
            returning endpoint_id
        ),
        well as (
            update webhook_endpoints
            set failing_since = null, failed_at = null
            where id = (select endpoint_id from marked)
                and failing_since is not null
        )
        select endpoint_id from marked
        "#,
        attempt.id as WebhookDeliveryId,
        attempt.claimed_until,
        attempt.status.map(i32::from),
        milliseconds(attempt.duration),
    )
    .fetch_optional(connection)
    .await
    .doing("record a webhook delivery")?;
    Ok(marked.map_or(MarkOutcome::Lost, |_| MarkOutcome::Recorded))
}

/// Records an attempt that failed, and writes the next one. Later events of the same aggregate wait for it.
#[expect(
    clippy::too_many_lines,
    reason = "a single statement, and the types of its columns"
)]
pub async fn mark_failed(
    connection: &mut PgConnection,
    attempt: &Attempt,
    failed: &Failed<'_>,
) -> Result<MarkOutcome, Error> {
    let (next_id, pause) = failed.next.unzip();
    let marked = sqlx::query!(
        r#"
        -- The endpoint first, as everybody does who writes a delivery.
        with endpoint as (
            select id, failing_since, failed_at
            from webhook_endpoints
            where id = (select endpoint_id from webhook_deliveries where id = $1)
            for no key update
        ),
        marked as (
            update webhook_deliveries d
            set
                outcome = 'failed',
                status = $3,
                duration_ms = $4,
                error = $5,
                claimed_until = null
            from endpoint
            where d.id = $1
                and d.endpoint_id = endpoint.id
                and d.claimed_until = $2
                and d.outcome is null
            returning d.*
        ),
        next as (
            insert into webhook_deliveries (
                id, endpoint_id, event_id, source_event_id, event_type, aggregate_id, position, body,
                attempt, due_at)
            select
                $6, endpoint_id, event_id, source_event_id, event_type, aggregate_id, position, body,
                attempt + 1, now() + make_interval(secs => $7)
            from marked
            where $6::uuid is not null
            returning endpoint_id, aggregate_id, due_at
        ),
        behind as (
            update webhook_deliveries d
            set due_at = n.due_at
            from next n
            where d.endpoint_id = n.endpoint_id
                and d.aggregate_id = n.aggregate_id
                and d.outcome is null
                and d.id <> $1
                and d.due_at < n.due_at
        ),
        ill as (
            update webhook_endpoints e
            set
                failing_since = s.since,
                failed_at = case
                    when e.failed_at > m.at - interval '1 hour' then e.failed_at
                    else m.at
                end,
                next_due_at = least(e.next_due_at, n.due_at),
                is_active = e.is_active and not s.is_over,
                disabled_at = case when e.is_active and s.is_over then now() else e.disabled_at end,
                disabled_reason = case
                    when not (e.is_active and s.is_over) then e.disabled_reason
                    when $8 then 'gone'
                    else 'failing'
                end,
                updated_at = case when e.is_active and s.is_over then now() else e.updated_at end
            from marked m
            left join next n on true
            cross join endpoint b
            cross join lateral (
                select case
                    -- After so long without an attempt nobody knows that it has failed all the time.
                    when b.failed_at > m.at - interval '2 days' then coalesce(b.failing_since, m.at)
                    else m.at
                end as since
            ) f
            cross join lateral (
                select f.since, $8 or now() - f.since >= make_interval(secs => $9) as is_over
            ) s
            where e.id = m.endpoint_id
                and (
                    e.is_active and (
                        s.is_over
                        or e.failing_since is distinct from s.since
                        or e.failed_at is null
                        or e.failed_at <= m.at - interval '1 hour'
                    )
                    or e.next_due_at > n.due_at
                    or e.next_due_at is null and n.due_at is not null
                )
            returning e.is_active, s.is_over
        )
        select
            exists (select from marked) as "is_marked!",
            exists (select from ill where not is_active and is_over) as "is_disabled!"
        "#,
        attempt.id as WebhookDeliveryId,
        attempt.claimed_until,
        attempt.status.map(i32::from),
        milliseconds(attempt.duration),
        failed.error,
        next_id as Option<WebhookDeliveryId>,
        pause.map_or(0.0, |pause| pause.as_secs_f64()),
        failed.is_gone,
        failed.failing_max.as_secs_f64(),
    )
    .fetch_one(connection)
    .await
    .doing("record a failed webhook delivery")?;
    Ok(match (marked.is_marked, marked.is_disabled) {
        (false, _) => MarkOutcome::Lost,
        (true, false) => MarkOutcome::Recorded,
        (true, true) => MarkOutcome::Disabled,
    })
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Counts attempts that are due or will be, up to a limit.
pub async fn count_waiting(connection: &mut PgConnection, limit: i64) -> Result<i64, Error> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from (
            select
            from webhook_deliveries
            where outcome is null
            limit $1
        ) as waiting
        "#,
        limit,
    )
    .fetch_one(connection)
    .await
    .doing("count the deliveries of webhooks that wait")
}
