//! The endpoints of stores, as a sink: it takes an event by writing a delivery for each endpoint that may see
//! it and wants it. `webhooks::worker` makes the deliveries.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    db::{
        self, Fault,
        outbox::Event,
        webhooks::{Audience, NewDelivery},
    },
    domain::{
        audience::{Seen, audience},
        event::Envelope,
        ids::{EventId, WebhookDeliveryId},
    },
};

use super::{Answer, Failure, Sink, Unavailable};

/// The time limit of finding who may see events, and of writing their deliveries.
const PUBLISH_MAX: Duration = Duration::from_secs(10);

/// What becomes of an event that the sink has taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// It is not delivered again: it was published twice because a process died.
    LeftOut,
    /// It is delivered again: an operator has asked for it.
    Delivered,
}

#[derive(Debug)]
pub struct Webhooks {
    pool: PgPool,
    repeats: Repeats,
}

impl Webhooks {
    pub fn new(pool: PgPool, repeats: Repeats) -> Self {
        Self { pool, repeats }
    }
}

#[async_trait(?Send)]
impl Sink for Webhooks {
    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        let written = db::within(&self.pool, PUBLISH_MAX, async |connection| {
            write(connection, events, self.repeats).await
        });
        written.await.map_err(failure)?;
        Ok(events.iter().map(|_| Answer::Accepted).collect())
    }

    async fn would_take_events(&mut self) -> Result<(), Answer> {
        let looked = db::within(&self.pool, PUBLISH_MAX, async |connection| {
            db::webhooks::is_any_active(connection).await
        });
        let problem = looked.await.map_err(failure).err();
        problem.map_or(Ok(()), |it| Err(Answer::Unavailable(it.reason, it.text)))
    }
}

/// Writes all deliveries in one statement, after a look whether there is any endpoint.
async fn write(
    connection: &mut PgConnection,
    events: &[&Event],
    repeats: Repeats,
) -> Result<(), db::Error> {
    if !db::webhooks::is_any_active(connection).await? {
        return Ok(());
    }
    if repeats == Repeats::Delivered {
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        db::webhooks::forget_deliveries(connection, &ids).await?;
    }
    let envelopes: Vec<_> = events.iter().map(|event| event.envelope()).collect();
    let orders = db::orders::find_named(connection, &envelopes).await?;
    let seen = envelopes.iter().map(|envelope| {
        let seen = audience(envelope, |id| orders.get(&id));
        (envelope.event_id, seen)
    });
    let seen: Vec<_> = seen.collect();
    let stores = seen.iter().flat_map(|(_, seen)| seen);
    let stores: BTreeSet<_> = stores.map(|seen| seen.store_id).collect();
    let stores: Vec<_> = stores.into_iter().collect();
    let subscribers = db::webhooks::find_subscribers(connection, &stores).await?;
    let mut deliveries = Vec::new();
    for (source, seen) in &seen {
        for Seen { store_id, envelope } in seen {
            let who = Audience {
                store_id: *store_id,
                event_type: &envelope.event_type,
            };
            let wanted = subscribers.iter().filter(|it| it.wants(who));
            deliveries.extend(wanted.map(|it| delivery(it, *source, envelope)));
        }
    }
    if !deliveries.is_empty() {
        db::webhooks::write_deliveries(connection, &deliveries).await?;
    }
    Ok(())
}

fn delivery(
    to: &db::webhooks::Subscriber,
    source_event_id: EventId,
    envelope: &Envelope,
) -> NewDelivery {
    NewDelivery {
        id: WebhookDeliveryId::new(Uuid::now_v7()),
        endpoint_id: to.endpoint_id,
        event_id: envelope.event_id,
        source_event_id,
        event_type: envelope.event_type.clone(),
        aggregate_id: envelope.aggregate_id,
        body: serde_json::to_string(envelope).expect("an event is JSON"),
    }
}

/// No event is to blame: what was read of it is checked before.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failure(error: db::Error) -> Failure {
    let reason = match error.fault() {
        Fault::Unreachable => Unavailable::Unreachable,
        Fault::Transient | Fault::Busy => Unavailable::Busy,
        Fault::Permanent => Unavailable::Refusing,
    };
    (reason, error.to_string()).into()
}
