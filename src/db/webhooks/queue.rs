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
    domain::ids::{EventId, WebhookDeliveryId, WebhookEndpointId},
};

use super::ClaimedDelivery;

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

/// Claims deliveries that are due: of each endpoint so many that at most `per_endpoint_max` are under way on
/// all instances, and of each aggregate the first that waits. Endpoints that fail come last. Must run in a
/// transaction, which locks the endpoints, so that no two instances count the same places as free.
pub async fn claim_due(
    connection: &mut PgConnection,
    limit: i64,
    per_endpoint_max: i64,
    lease: Duration,
) -> Result<Vec<ClaimedDelivery>, Error> {
    let endpoints = lock_endpoints(connection, limit).await?;
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        with free as (
            select e.id, e.number, greatest(0, $2 - (
                select count(*)
                from webhook_deliveries d
                where d.endpoint_id = e.id
                    and d.outcome is null
                    and d.claimed_until > now()
            )) as places
            from unnest($1::uuid[]) with ordinality as e (id, number)
        ),
        due as (
            select d.id
            from free f
            cross join lateral (
                select d.id
                from webhook_deliveries d
                where d.endpoint_id = f.id
                    and d.outcome is null
                    and d.due_at <= now()
                    and (d.claimed_until is null or d.claimed_until <= now())
                    and not exists (
                        select
                        from webhook_deliveries earlier
                        where earlier.endpoint_id = d.endpoint_id
                            and earlier.aggregate_id = d.aggregate_id
                            and earlier.outcome is null
                            and earlier.position < d.position
                    )
                order by d.due_at, d.position
                limit f.places
            ) d
            order by f.number
            limit $3
        )
        update webhook_deliveries d
        set
            -- Not now(), which the other instance may have read before us.
            claimed_until = clock_timestamp() + make_interval(secs => $4),
            at = clock_timestamp()
        from webhook_endpoints e
        where d.id = any(array(select id from due))
            and d.outcome is null
            and (d.claimed_until is null or d.claimed_until <= now())
            and e.id = d.endpoint_id
        returning
            d.id as "id: WebhookDeliveryId",
            d.endpoint_id as "endpoint_id: WebhookEndpointId",
            d.event_id as "event_id: EventId",
            d.attempt,
            d.body,
            d.claimed_until as "claimed_until!",
            e.url,
            e.secret,
            case when e.old_secret_until > now() then e.old_secret end as old_secret
        "#,
        &endpoints as &[WebhookEndpointId],
        per_endpoint_max,
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(connection)
    .await
    .doing("claim webhook deliveries")?;
    let claimed = rows.into_iter().map(|row| ClaimedDelivery {
        id: row.id,
        endpoint_id: row.endpoint_id,
        event_id: row.event_id,
        attempt: row.attempt,
        body: row.body,
        url: row.url,
        secrets: [Some(row.secret), row.old_secret]
            .into_iter()
            .flatten()
            .map(SecretString::from)
            .collect(),
        claimed_until: row.claimed_until,
    });
    Ok(claimed.collect())
}

/// Locks active endpoints with a delivery that is due, those that fail last.
async fn lock_endpoints(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<WebhookEndpointId>, Error> {
    sqlx::query_scalar!(
        r#"
        -- One look into the index per endpoint, however many deliveries each of them has.
        with recursive waiting as (
            (
                select endpoint_id
                from webhook_deliveries
                where outcome is null
                order by endpoint_id
                limit 1
            )
            union all
            select (
                select d.endpoint_id
                from webhook_deliveries d
                where d.outcome is null
                    and d.endpoint_id > w.endpoint_id
                order by d.endpoint_id
                limit 1
            )
            from waiting w
            where w.endpoint_id is not null
        )
        select e.id as "id: WebhookEndpointId"
        from webhook_endpoints e
        where e.id = any(array(select endpoint_id from waiting))
            and e.is_active
            and exists (
                select
                from webhook_deliveries d
                where d.endpoint_id = e.id
                    and d.outcome is null
                    and d.due_at <= now()
            )
        order by e.failing_since desc nulls first, e.id
        limit $1
        for no key update skip locked
        "#,
        limit,
    )
    .fetch_all(connection)
    .await
    .doing("look for webhook deliveries that are due")
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
            set failing_since = null
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
pub async fn mark_failed(
    connection: &mut PgConnection,
    attempt: &Attempt,
    failed: &Failed<'_>,
) -> Result<MarkOutcome, Error> {
    let (next_id, pause) = failed.next.unzip();
    let marked = sqlx::query!(
        r#"
        with marked as (
            update webhook_deliveries
            set
                outcome = 'failed',
                status = $3,
                duration_ms = $4,
                error = $5,
                claimed_until = null
            where id = $1
                and claimed_until = $2
                and outcome is null
            returning *
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
                failing_since = coalesce(failing_since, m.at),
                is_active = not (is_over),
                disabled_at = case when is_over then now() end,
                disabled_reason = case when is_over and $8 then 'gone' when is_over then 'failing' end,
                updated_at = case when is_over then now() else updated_at end
            from marked m
            cross join lateral (
                select $8 or now() - coalesce(
                    (select failing_since from webhook_endpoints where id = m.endpoint_id), m.at)
                    >= make_interval(secs => $9) as is_over
            ) over_or_not
            where e.id = m.endpoint_id
                and e.is_active
                and (e.failing_since is null or is_over)
            returning e.is_active
        )
        select
            exists (select from marked) as "is_marked!",
            exists (select from ill where not is_active) as "is_disabled!"
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
