//! The list of an endpoint's deliveries, and the removal of old ones.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::{
        ids::{EventId, WebhookDeliveryId, WebhookEndpointId},
        webhook::DeliveryOutcome,
    },
};

use super::ListedDelivery;

/// Finds the attempts of an endpoint behind a place, newest first, and whether there are more.
pub async fn find_deliveries(
    connection: &mut PgConnection,
    endpoint: WebhookEndpointId,
    behind: Option<WebhookDeliveryId>,
    limit: usize,
) -> Result<(Vec<ListedDelivery>, bool), Error> {
    let mut found = sqlx::query_as!(
        ListedDelivery,
        r#"
        select
            id as "id: WebhookDeliveryId",
            event_id as "event_id: EventId",
            event_type,
            aggregate_id,
            attempt,
            -- During an attempt, due_at is the end of the claim.
            coalesce(at, due_at) as "due_at!",
            at,
            outcome as "outcome: DeliveryOutcome",
            status,
            duration_ms,
            error
        from webhook_deliveries
        where endpoint_id = $1
            and id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        order by id desc
        limit $3
        "#,
        endpoint as WebhookEndpointId,
        behind as Option<WebhookDeliveryId>,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await
    .doing("read the deliveries of a webhook endpoint")?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    Ok((found, has_more))
}

/// Removes at most `limit` attempts that were written longer than `kept` ago, oldest first: ids are `UUIDv7`.
/// An attempt under way is left.
pub async fn sweep_deliveries(
    connection: &mut PgConnection,
    kept: Duration,
    limit: i64,
) -> Result<u64, Error> {
    let removed = sqlx::query!(
        r#"
        with old as (
            select id
            from webhook_deliveries
            where id < (
                    -- The smallest UUIDv7 of that time: the first 48 bits are milliseconds.
                    lpad(
                        to_hex((extract(epoch from now() - make_interval(secs => $1)) * 1000)::bigint),
                        12, '0')
                    || repeat('0', 20))::uuid
                and (claimed_until is null or claimed_until <= now())
            order by id
            limit $2
            for update skip locked
        )
        delete from webhook_deliveries
        where id = any(array(select id from old))
        "#,
        kept.as_secs_f64(),
        limit,
    )
    .execute(connection)
    .await
    .doing("remove old webhook deliveries")?;
    Ok(removed.rows_affected())
}
