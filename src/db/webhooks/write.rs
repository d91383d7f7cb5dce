//! Writes deliveries: for events, for tests, and again for what was delivered before.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::ids::{EventId, StoreId, WebhookDeliveryId, WebhookEndpointId},
};

/// An active endpoint, and what it wants.
#[derive(Clone, Debug)]
pub struct Subscriber {
    pub endpoint_id: WebhookEndpointId,
    pub store_id: StoreId,
    /// Empty: all.
    pub event_types: Vec<String>,
}

/// A store that may see an event of a type.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    pub store_id: StoreId,
    pub event_type: &'a str,
}

/// The first attempt to deliver an event to an endpoint.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub id: WebhookDeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub event_id: EventId,
    /// The event in the outbox.
    pub source_event_id: EventId,
    pub event_type: String,
    pub aggregate_id: Uuid,
    pub body: String,
}

impl Subscriber {
    /// True if the endpoint gets the events of this audience.
    pub fn wants(&self, audience: Audience<'_>) -> bool {
        let is_subscribed = self.event_types.is_empty()
            || self.event_types.iter().any(|it| it == audience.event_type);
        self.store_id == audience.store_id && is_subscribed
    }
}

/// True if any endpoint of any store is active.
pub async fn is_any_active(connection: &mut PgConnection) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from webhook_endpoints where is_active) as "found!""#
    )
    .fetch_one(connection)
    .await
    .doing("look for webhook endpoints")?;
    Ok(found)
}

/// Finds the active endpoints of these stores.
pub async fn find_subscribers(
    connection: &mut PgConnection,
    stores: &[StoreId],
) -> Result<Vec<Subscriber>, Error> {
    sqlx::query_as!(
        Subscriber,
        r#"
        select
            id as "endpoint_id: WebhookEndpointId",
            store_id as "store_id: StoreId",
            event_types
        from webhook_endpoints
        where store_id = any($1)
            and is_active
        order by id
        "#,
        stores as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("read the webhook endpoints of stores")
}

/// Writes first attempts, due at once, in this sequence. What was written before is left as it is, and
/// endpoints that were deleted meanwhile get nothing.
pub async fn write_deliveries(
    connection: &mut PgConnection,
    deliveries: &[NewDelivery],
) -> Result<u64, Error> {
    let written = sqlx::query!(
        r#"
        insert into webhook_deliveries (
            id, endpoint_id, event_id, source_event_id, event_type, aggregate_id, body, attempt, due_at)
        select n.id, n.endpoint_id, n.event_id, n.source_event_id, n.event_type, n.aggregate_id, n.body, 1,
            -- One that waits for an earlier one of its aggregate is not looked at before that is due.
            greatest(now(), (
                select max(w.due_at)
                from webhook_deliveries w
                where w.endpoint_id = n.endpoint_id
                    and w.aggregate_id = n.aggregate_id
                    and w.outcome is null
            ))
        from unnest(
            $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[])
            with ordinality
            as n (id, endpoint_id, event_id, source_event_id, event_type, aggregate_id, body, number)
        join webhook_endpoints e on e.id = n.endpoint_id
        order by n.number
        on conflict (endpoint_id, event_id, attempt) do nothing
        "#,
        &column(deliveries, |it| it.id) as &[WebhookDeliveryId],
        &column(deliveries, |it| it.endpoint_id) as &[WebhookEndpointId],
        &column(deliveries, |it| it.event_id) as &[EventId],
        &column(deliveries, |it| it.source_event_id) as &[EventId],
        &column(deliveries, |it| it.event_type.clone()),
        &column(deliveries, |it| it.aggregate_id),
        &column(deliveries, |it| it.body.clone()),
    )
    .execute(connection)
    .await
    .doing("write webhook deliveries")?;
    Ok(written.rows_affected())
}

/// Writes a delivery of an event that only tests the endpoint. To do it again changes nothing.
pub async fn write_test(
    connection: &mut PgConnection,
    id: WebhookDeliveryId,
    endpoint: WebhookEndpointId,
    event: EventId,
    event_type: &str,
    body: &str,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        insert into webhook_deliveries (
            id, endpoint_id, event_id, event_type, aggregate_id, body, attempt, due_at)
        values ($1, $2, $3, $4, $2, $5, 1, now())
        on conflict (id) do nothing
        "#,
        id as WebhookDeliveryId,
        endpoint as WebhookEndpointId,
        event as EventId,
        event_type,
        body,
    )
    .execute(connection)
    .await
    .doing("write a test of a webhook endpoint")?;
    Ok(())
}

/// Makes the event of a delivery due at once: its attempt that waits, or else another one with the id `new`.
/// Returns the attempt's id; `None` if the store has no such delivery. The endpoint is locked until the
/// transaction ends.
pub async fn redeliver(
    connection: &mut PgConnection,
    store: StoreId,
    delivery: WebhookDeliveryId,
    new: WebhookDeliveryId,
) -> Result<Option<WebhookDeliveryId>, Error> {
    let owned = sqlx::query!(
        r#"
        select e.id as "id: WebhookEndpointId"
        from webhook_endpoints e
        where e.id = (select endpoint_id from webhook_deliveries where id = $1)
            and e.store_id = $2
        for no key update
        "#,
        delivery as WebhookDeliveryId,
        store as StoreId,
    )
    .fetch_optional(&mut *connection)
    .await
    .doing("lock a webhook endpoint")?;
    if owned.is_none() {
        return Ok(None);
    }
    let attempt = sqlx::query_scalar!(
        r#"
        with event as (
            select endpoint_id, event_id from webhook_deliveries where id = $1
        ),
        waiting as (
            update webhook_deliveries d
            set due_at = now()
            from event e
            where d.endpoint_id = e.endpoint_id
                and d.event_id = e.event_id
                and d.outcome is null
            returning d.id
        ),
        again as (
            insert into webhook_deliveries (
                id, endpoint_id, event_id, source_event_id, event_type, aggregate_id, position, body,
                attempt, due_at)
            select
                $2, d.endpoint_id, d.event_id, d.source_event_id, d.event_type, d.aggregate_id, d.position,
                d.body, d.attempt + 1, now()
            from event e
            join webhook_deliveries d on d.endpoint_id = e.endpoint_id and d.event_id = e.event_id
            where not exists (select from waiting)
            order by d.attempt desc
            limit 1
            on conflict do nothing
            returning id
        )
        select id as "id!: WebhookDeliveryId" from waiting
        union all
        select id from again
        "#,
        delivery as WebhookDeliveryId,
        new as WebhookDeliveryId,
    )
    .fetch_optional(connection)
    .await
    .doing("send a webhook delivery again")?;
    // An attempt of which nothing was written exists already, by the first try of this request.
    Ok(Some(attempt.unwrap_or(new)))
}

/// Forgets what was delivered of these events of the outbox, so that publishing them once more delivers them
/// once more. Deliveries that wait stay.
pub async fn forget_deliveries(
    connection: &mut PgConnection,
    source_events: &[EventId],
) -> Result<u64, Error> {
    let forgotten = sqlx::query!(
        r#"
        delete from webhook_deliveries d
        where source_event_id = any($1)
            and not exists (
                select
                from webhook_deliveries w
                where w.endpoint_id = d.endpoint_id
                    and w.event_id = d.event_id
                    and w.outcome is null
            )
        "#,
        source_events as &[EventId],
    )
    .execute(connection)
    .await
    .doing("forget webhook deliveries")?;
    Ok(forgotten.rows_affected())
}

/// The event in the outbox that a delivered event was made from; `None` if there is no such delivery.
pub async fn source_of(
    connection: &mut PgConnection,
    event_id: EventId,
) -> Result<Option<EventId>, Error> {
    let source = sqlx::query_scalar!(
        r#"
        select source_event_id as "id: EventId"
        from webhook_deliveries
        where event_id = $1
        limit 1
        "#,
        event_id as EventId,
    )
    .fetch_optional(connection)
    .await
    .doing("find the source of a delivered event")?;
    Ok(source.flatten())
}
