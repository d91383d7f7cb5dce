//! The queue of deliveries: finds and claims what is due.
//!
//! A claim is a lease: its expiry, by PostgreSQL's clock, is the fencing token, and a record names the claim
//! that it is made under (`outcomes`).

use std::time::Duration;

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
