//! The members of a batch on their way to an outcome: decided, set aside, or settled by what was
//! reserved; and what is written for the settled ones.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{
        self,
        outbox::{ClaimedEvent, Event},
    },
    domain::{
        checkout::CheckoutPlan,
        idempotency::{FirstAnswer, Scope},
        ids::EventId,
        order::Checkout,
        reservation::{Bid, BidOutcomes},
    },
};

use super::{
    super::{
        command::{CheckoutCommand, Decision},
        held_rows::Row,
        vendors::lent_tx::LentTx,
    },
    BatchContext,
    attempt::{AttemptError, Outcome},
    inputs::Prospect,
};

/// What a transaction comes to once it is committed.
pub(super) struct Prepared {
    /// One per member, in the same order.
    pub outcomes: Vec<Outcome>,
    pub checkouts: Vec<Checkout>,
    /// To be published.
    pub events: Vec<ClaimedEvent>,
}

/// What is known of each command.
pub(super) struct Settled<'a> {
    outcomes: Vec<Option<Outcome>>,
    /// With the index of its command. Empty once they are settled.
    pub plans: Vec<(usize, CheckoutPlan)>,
    checkouts: Vec<Checkout>,
    /// Empty once they are written.
    events: Vec<Event>,
    announced: Vec<ClaimedEvent>,
    first_answers: Vec<(&'a Scope, FirstAnswer)>,
}

impl<'a> Settled<'a> {
    pub(super) fn decided(prospects: Vec<Prospect>, commands: &[&CheckoutCommand]) -> Self {
        let mut settled = Self {
            outcomes: Vec::with_capacity(prospects.len()),
            plans: Vec::new(),
            checkouts: Vec::new(),
            events: Vec::new(),
            announced: Vec::new(),
            first_answers: Vec::new(),
        };
        for (index, prospect) in prospects.into_iter().enumerate() {
            match prospect {
                Prospect::Decided(decision) => {
                    settled.outcomes.push(Some(Outcome::Decided(decision)));
                }
                Prospect::Planned(plan) => {
                    settled.outcomes.push(None);
                    settled.plans.push((index, plan));
                }
                Prospect::Held => {
                    let cart = Row::Cart(commands[index].request.asked_cart());
                    settled.outcomes.push(Some(Outcome::Held(vec![cart])));
                }
            }
        }
        settled
    }

    /// Takes plans out, asked for each in their order.
    pub(super) fn set_aside(&mut self, mut reason: impl FnMut(usize) -> Option<Outcome>) {
        self.plans.retain(|(index, _)| {
            let reason = reason(*index);
            let is_kept = reason.is_none();
            if !is_kept {
                self.outcomes[*index] = reason;
            }
            is_kept
        });
    }

    /// What the plans ask of the stock, in their order.
    pub(super) fn bids(&self) -> Vec<Bid> {
        self.plans.iter().map(|(_, plan)| plan.bid()).collect()
    }

    pub(super) fn settle(
        &mut self,
        commands: &[&'a CheckoutCommand],
        outcomes: &[BidOutcomes],
        now: DateTime<Utc>,
    ) {
        for ((index, plan), outcomes) in std::mem::take(&mut self.plans).into_iter().zip(outcomes) {
            let checkout = match plan.settle(outcomes, &mut Uuid::now_v7, now) {
                Ok(checkout) => checkout,
                Err(refusal) => {
                    let refused = Decision::Refused(refusal);
                    self.outcomes[index] = Some(Outcome::Decided(refused));
                    continue;
                }
            };
            let command = commands[index];
            let response = (command.render)(&checkout);
            let created = Decision::Created(response.clone());
            self.outcomes[index] = Some(Outcome::Decided(created));
            let first_answer = FirstAnswer {
                fingerprint: command.fingerprint,
                checkout_group_id: checkout.group.id,
                response,
            };
            self.first_answers.push((&command.scope, first_answer));
            let event_id = EventId::new(Uuid::now_v7());
            let event = Event::announcing(&checkout, event_id, now);
            self.events.push(event);
            self.checkouts.push(checkout);
        }
    }

    pub(super) async fn write(
        &mut self,
        context: &BatchContext,
        tx: &mut LentTx,
        now: DateTime<Utc>,
    ) -> Result<(), AttemptError> {
        if self.checkouts.is_empty() {
            return Ok(());
        }
        let connection = tx.connection();
        db::orders::insert_checkouts(connection, &self.checkouts, now).await?;
        let events = std::mem::take(&mut self.events);
        self.announced = db::outbox::announce(connection, events, context.claim_events_for).await?;
        let carts = self.checkouts.iter().map(|it| it.group.cart_id);
        let carts: Vec<_> = carts.collect();
        let converted = db::carts::convert(connection, &carts, now).await?;
        assert_eq!(
            converted,
            carts.len() as u64,
            "the carts were locked while they were active"
        );
        let expires_at = now + context.keep_answers_for;
        let answers = &self.first_answers;
        let written =
            db::idempotency::record_first_answers(connection, answers, now, expires_at).await?;
        if written == answers.len() as u64 {
            Ok(())
        } else {
            Err(AttemptError::KeyTaken)
        }
    }

    pub(super) fn prepared(self) -> Prepared {
        let outcomes = self.outcomes.into_iter();
        Prepared {
            outcomes: outcomes
                .map(|it| it.expect("every member is settled by now"))
                .collect(),
            checkouts: self.checkouts,
            events: self.announced,
        }
    }
}
