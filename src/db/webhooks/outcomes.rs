//! Records what became of attempts. An instance that slept records nothing about an attempt that another one
//! has claimed since.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::WebhookDeliveryId,
};

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
