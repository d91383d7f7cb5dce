//! The members of a batch after the outcomes of their bids are known, and the rows that are written for
//! them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{
        self,
        outbox::{ClaimedEvent, Event},
    },
    domain::{
        idempotency::{FirstAnswer, Scope, StoredResponse},
        ids::EventId,
        order::Checkout,
    },
    stages::Stage,
    vendors::lent_tx::LentTx,
};

use super::{
    super::command::CheckoutCommand, BatchContext, failure::AttemptError, outcome::Outcome,
};

/// The members of a batch, settled and not yet written.
pub(super) struct Settled<'a> {
    /// One per member, in the same order.
    pub outcomes: Vec<Outcome>,
    pub rows: NewRows<'a>,
}

/// The rows that are to be written for checkouts.
pub(super) struct NewRows<'a> {
    now: DateTime<Utc>,
    checkouts: Vec<Checkout>,
    events: Vec<Event>,
    first_answers: Vec<(&'a Scope, FirstAnswer)>,
}

/// A transaction's results, valid once it is committed.
pub(super) struct Prepared {
    /// One per member, in the same order.
    pub outcomes: Vec<Outcome>,
    pub checkouts: Vec<Checkout>,
    /// Events to be published.
    pub events: Vec<ClaimedEvent>,
}

impl<'a> NewRows<'a> {
    /// No rows yet.
    pub(super) fn at(now: DateTime<Utc>) -> Self {
        Self {
            now,
            checkouts: Vec::new(),
            events: Vec::new(),
            first_answers: Vec::new(),
        }
    }

    /// Adds a checkout that is to be written, with its event and its answer. Returns the answer.
    pub(super) fn add(
        &mut self,
        command: &'a CheckoutCommand,
        checkout: Checkout,
    ) -> StoredResponse {
        let response = (command.render)(&checkout);
        let first_answer = FirstAnswer {
            fingerprint: command.fingerprint,
            checkout_group_id: checkout.group.id,
            response: response.clone(),
        };
        self.first_answers.push((&command.scope, first_answer));
        let event_id = EventId::new(Uuid::now_v7());
        let event =
            Event::announcing(&checkout, event_id, self.now).in_trace(command.traceparent.as_ref());
        self.events.push(event);
        self.checkouts.push(checkout);
        response
    }
}

impl Settled<'_> {
    /// Writes all rows but the stock.
    pub(super) async fn write(
        self,
        context: &BatchContext,
        tx: &mut LentTx,
    ) -> Result<Prepared, AttemptError> {
        let Self { outcomes, rows } = self;
        let NewRows {
            now,
            checkouts,
            events,
            first_answers,
        } = rows;
        if checkouts.is_empty() {
            return Ok(Prepared {
                outcomes,
                checkouts,
                events: Vec::new(),
            });
        }
        db::orders::insert_checkouts(tx.connection(), &checkouts, now).await?;
        tx.end_lap(Stage::Writes, "write orders");
        let events =
            db::outbox::announce(tx.connection(), events, context.claim_events_for).await?;
        tx.end_lap(Stage::Writes, "write events");
        let carts = checkouts.iter().map(|checkout| checkout.group.cart_id);
        let carts: Vec<_> = carts.collect();
        let converted = db::carts::convert(tx.connection(), &carts, now).await?;
        tx.end_lap(Stage::Writes, "convert carts");
        assert_eq!(
            converted,
            carts.len() as u64,
            "the carts were locked while they were active"
        );
        let expires_at = now + context.keep_answers_for;
        let recorded =
            db::idempotency::record_first_answers(tx.connection(), &first_answers, now, expires_at);
        let written = recorded.await?;
        tx.end_lap(Stage::Writes, "write first answers");
        if written != first_answers.len() as u64 {
            return Err(AttemptError::KeyTaken);
        }
        Ok(Prepared {
            outcomes,
            checkouts,
            events,
        })
    }
}
