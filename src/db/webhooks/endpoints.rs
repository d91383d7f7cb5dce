//! A store's endpoints, as their owners manage them. Every statement names the store.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::{
        ids::{StoreId, WebhookEndpointId},
        webhook::DisabledReason,
    },
};

use super::Endpoint;

/// An endpoint that is to be created.
#[derive(Debug)]
pub struct NewEndpoint {
    pub id: WebhookEndpointId,
    pub store_id: StoreId,
    pub url: String,
    pub secret: SecretString,
    pub event_types: Vec<String>,
}

/// A change of an endpoint; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub url: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub is_active: Option<bool>,
}

/// Creates an endpoint, unless its store has `endpoints_max` of them. Does nothing more if it exists. The
/// store is locked until the transaction ends, so that two requests can't both take the last place.
pub async fn create_endpoint(
    connection: &mut PgConnection,
    new: &NewEndpoint,
    endpoints_max: i64,
) -> Result<Option<Endpoint>, Error> {
    sqlx::query!(
        "select from stores where id = $1 for no key update",
        new.store_id as StoreId,
    )
    .execute(&mut *connection)
    .await
    .doing("lock a store")?;
    sqlx::query!(
        r#"
        insert into webhook_endpoints (id, store_id, url, secret, event_types)
        select $1, $2, $3, $4, $5
        where (select count(*) from webhook_endpoints where store_id = $2) < $6
        on conflict (id) do nothing
        "#,
        new.id as WebhookEndpointId,
        new.store_id as StoreId,
        new.url,
        new.secret.expose_secret(),
        &new.event_types,
        endpoints_max,
    )
    .execute(&mut *connection)
    .await
    .doing("create a webhook endpoint")?;
    find_endpoint(connection, new.store_id, new.id).await
}

/// Finds an endpoint of a store.
pub async fn find_endpoint(
    connection: &mut PgConnection,
    store: StoreId,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, Error> {
    sqlx::query_as!(
        Endpoint,
        r#"
        select
            id as "id: WebhookEndpointId",
            store_id as "store_id: StoreId",
            url,
            event_types,
            is_active,
            disabled_at,
            disabled_reason as "disabled_reason: DisabledReason",
            created_at,
            updated_at
        from webhook_endpoints
        where id = $1
            and store_id = $2
        "#,
        id as WebhookEndpointId,
        store as StoreId,
    )
    .fetch_optional(connection)
    .await
    .doing("read a webhook endpoint")
}

/// Finds all endpoints of a store, oldest first.
pub async fn find_endpoints(
    connection: &mut PgConnection,
    store: StoreId,
) -> Result<Vec<Endpoint>, Error> {
    sqlx::query_as!(
        Endpoint,
        r#"
        select
            id as "id: WebhookEndpointId",
            store_id as "store_id: StoreId",
            url,
            event_types,
            is_active,
            disabled_at,
            disabled_reason as "disabled_reason: DisabledReason",
            created_at,
            updated_at
        from webhook_endpoints
        where store_id = $1
        order by id
        "#,
        store as StoreId,
    )
    .fetch_all(connection)
    .await
    .doing("read webhook endpoints")
}

/// Changes an endpoint. One that is switched on begins anew: its failures are forgotten.
pub async fn change_endpoint(
    connection: &mut PgConnection,
    store: StoreId,
    id: WebhookEndpointId,
    change: &Change,
) -> Result<Option<Endpoint>, Error> {
    let changed = sqlx::query!(
        r#"
        update webhook_endpoints
        set
            url = coalesce($3, url),
            event_types = coalesce($4, event_types),
            is_active = coalesce($5, is_active),
            disabled_at = case
                when coalesce($5, is_active) then null
                else coalesce(disabled_at, now())
            end,
            disabled_reason = case
                when coalesce($5, is_active) then null
                else coalesce(disabled_reason, 'switched_off')
            end,
            failing_since = case when $5 then null else failing_since end,
            failed_at = case when $5 then null else failed_at end,
            updated_at = now()
        where id = $1
            and store_id = $2
        "#,
        id as WebhookEndpointId,
        store as StoreId,
        change.url,
        change.event_types.as_deref(),
        change.is_active,
    )
    .execute(&mut *connection)
    .await
    .doing("change a webhook endpoint")?;
    if changed.rows_affected() == 0 {
        return Ok(None);
    }
    find_endpoint(connection, store, id).await
}

/// The outcome of changing a secret.
#[derive(Clone, Debug)]
pub enum Rotation {
    Done(Endpoint),
    /// As many old secrets sign as may; the first ends after this time.
    TooSoon(Duration),
    NotFound,
}

/// Gives an endpoint a new secret. The one before signs beside it for `old_kept`, as do those before, of which
/// there are at most `old_max`. To do it again with the same secret changes nothing.
pub async fn rotate_secret(
    connection: &mut PgConnection,
    store: StoreId,
    id: WebhookEndpointId,
    secret: &SecretString,
    old_kept: Duration,
    old_max: i64,
) -> Result<Rotation, Error> {
    sqlx::query!(
        "select from webhook_endpoints where id = $1 for no key update",
        id as WebhookEndpointId,
    )
    .execute(&mut *connection)
    .await
    .doing("lock a webhook endpoint")?;
    let rotated = sqlx::query!(
        r#"
        update webhook_endpoints e
        set
            old_secrets = kept.secrets || e.secret,
            old_secrets_until = kept.untils || now() + make_interval(secs => $4),
            secret = $3,
            updated_at = now()
        from webhook_endpoints same
        cross join lateral (
            select
                count(*) as number,
                coalesce(array_agg(old.secret order by old.number), '{}') as secrets,
                coalesce(array_agg(old.until order by old.number), '{}') as untils
            from unnest(same.old_secrets, same.old_secrets_until) with ordinality
                as old (secret, until, number)
            where old.until > now()
        ) kept
        where e.id = $1
            and e.store_id = $2
            and e.secret <> $3
            and same.id = e.id
            and kept.number < $5
        "#,
        id as WebhookEndpointId,
        store as StoreId,
        secret.expose_secret(),
        old_kept.as_secs_f64(),
        old_max,
    )
    .execute(&mut *connection)
    .await
    .doing("rotate the secret of a webhook endpoint")?;
    if rotated.rows_affected() == 0 {
        let wait = sqlx::query_scalar!(
            r#"
            select extract(epoch from (
                select min(until) - now() from unnest(old_secrets_until) as until where until > now()
            ))::float8 as "wait?"
            from webhook_endpoints
            where id = $1
                and store_id = $2
                and secret <> $3
            "#,
            id as WebhookEndpointId,
            store as StoreId,
            secret.expose_secret(),
        )
        .fetch_optional(&mut *connection)
        .await
        .doing("read until when old secrets sign")?;
        if let Some(wait) = wait {
            let wait = Duration::try_from_secs_f64(wait.unwrap_or_default());
            return Ok(Rotation::TooSoon(wait.unwrap_or_default()));
        }
    }
    let found = find_endpoint(connection, store, id).await?;
    Ok(found.map_or(Rotation::NotFound, Rotation::Done))
}

/// Deletes an endpoint. Its deliveries are found by nobody any more, and are removed when they are old. Returns
/// false if the store has no such endpoint.
pub async fn delete_endpoint(
    connection: &mut PgConnection,
    store: StoreId,
    id: WebhookEndpointId,
) -> Result<bool, Error> {
    let deleted = sqlx::query!(
        "delete from webhook_endpoints where id = $1 and store_id = $2",
        id as WebhookEndpointId,
        store as StoreId,
    )
    .execute(connection)
    .await
    .doing("delete a webhook endpoint")?;
    Ok(deleted.rows_affected() > 0)
}
