//! The transaction script: everything of a batch between its begin and its commit.
//!
//! The vendors' turns are what batches wait for, so they are held as shortly as can be. The situation
//! says how much stock there is; what will be reserved is foreseen from it and all rows are written
//! first. Then the turns are taken, the stock is reserved, and only if the vendors' answers are not
//! the foreseen ones is the transaction rolled back and begun anew in the other order, which foresees
//! nothing: stock first, then the writes while all turns are held.
//!
//! Between the first reservation and the commit there is only SQL on this transaction.

use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

use crate::{
    db::{
        self,
        outbox::{ClaimedEvent, Event},
    },
    domain::{
        checkout::CheckoutPlan,
        foresight::foresee,
        idempotency::{FirstAnswer, Scope},
        ids::EventId,
        order::Checkout,
        reservation::{Bid, OfBid},
    },
    faults,
};

use super::{
    super::{
        command::{CheckoutCommand, Decision, Refusal},
        vendor_inventory::{Reservation, Reserved, StockReserved},
    },
    BatchContext,
    attempt::AttemptError,
    lent_tx::LentTx,
    situation::{Judged, Prospect, judge},
};

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// All rows are written as the stock that was read lets foresee.
    WritesFirst,
    /// Stock is reserved, and what came of it is written.
    StockFirst,
}

/// What came of the script.
pub(super) enum Outcome {
    Prepared(Prepared),
    /// Somebody was faster, so what was written is wrong.
    StockMoved(LentTx),
}

/// A transaction with everything in it but the commit.
pub(super) struct Prepared {
    pub tx: LentTx,
    /// One per command, in the same order.
    pub decisions: Vec<Decision>,
    pub checkouts: Vec<Checkout>,
    /// To be published once they are committed.
    pub events: Vec<ClaimedEvent>,
}

pub(super) async fn prepare(
    context: &BatchContext,
    mut tx: LentTx,
    commands: &[&CheckoutCommand],
    order: Order,
    deadline: Instant,
) -> Result<Outcome, AttemptError> {
    // PostgreSQL keeps microseconds; an answer must show the same time when it is read back.
    let now = Utc::now().trunc_subsecs(6);
    let Judged {
        prospects,
        available,
    } = judge(&mut tx, commands, context.terms, now).await?;
    let mut settled = Settled::decided(prospects);
    let bids = settled.bids();
    let tx = match order {
        Order::WritesFirst => {
            let foreseen = foresee(&bids, &available);
            settled.settle(commands, &foreseen.allocation.outcomes, now);
            settled.write(context, &mut tx, now).await?;
            let reservation = Reservation::Foreseen(foreseen.expected);
            let StockReserved { tx, reserved } =
                reserve(context, tx, reservation, deadline).await?;
            if reserved == Reserved::StockMoved {
                return Ok(Outcome::StockMoved(tx));
            }
            tx
        }
        Order::StockFirst => {
            let reservation = Reservation::InTurn(bids);
            let StockReserved { mut tx, reserved } =
                reserve(context, tx, reservation, deadline).await?;
            let Reserved::InTurn(outcomes) = reserved else {
                unreachable!("nothing was foreseen");
            };
            settled.settle(commands, &outcomes, now);
            settled.write(context, &mut tx, now).await?;
            tx
        }
    };
    Ok(Outcome::Prepared(Prepared {
        tx,
        decisions: settled.decisions(),
        checkouts: settled.checkouts,
        events: settled.announced,
    }))
}

async fn reserve(
    context: &BatchContext,
    tx: LentTx,
    reservation: Reservation,
    deadline: Instant,
) -> Result<StockReserved, AttemptError> {
    let reserved = context.directory.reserve(tx, reservation, deadline).await?;
    faults::place("after_reservation").await;
    Ok(reserved)
}

/// What is known of each command.
struct Settled<'a> {
    decisions: Vec<Option<Decision>>,
    /// With the index of its command. Empty once they are settled.
    plans: Vec<(usize, CheckoutPlan)>,
    checkouts: Vec<Checkout>,
    /// Empty once they are written.
    events: Vec<Event>,
    announced: Vec<ClaimedEvent>,
    first_answers: Vec<(&'a Scope, FirstAnswer)>,
}

impl<'a> Settled<'a> {
    fn decided(prospects: Vec<Prospect>) -> Self {
        let mut settled = Self {
            decisions: Vec::with_capacity(prospects.len()),
            plans: Vec::new(),
            checkouts: Vec::new(),
            events: Vec::new(),
            announced: Vec::new(),
            first_answers: Vec::new(),
        };
        for (index, prospect) in prospects.into_iter().enumerate() {
            match prospect {
                Prospect::Decided(decision) => settled.decisions.push(Some(decision)),
                Prospect::Planned(plan) => {
                    settled.decisions.push(None);
                    settled.plans.push((index, plan));
                }
            }
        }
        settled
    }

    /// What the plans ask of the stock, in their order.
    fn bids(&self) -> Vec<Bid> {
        self.plans.iter().map(|(_, plan)| plan.bid()).collect()
    }

    fn settle(&mut self, commands: &[&'a CheckoutCommand], outcomes: &[OfBid], now: DateTime<Utc>) {
        for ((index, plan), outcomes) in std::mem::take(&mut self.plans).into_iter().zip(outcomes) {
            let checkout = match plan.settle(outcomes, &mut Uuid::now_v7, now) {
                Ok(checkout) => checkout,
                Err(objection) => {
                    let refusal = Refusal::Objection(objection);
                    self.decisions[index] = Some(Decision::Refused(refusal));
                    continue;
                }
            };
            let command = commands[index];
            let response = (command.render)(&checkout);
            self.decisions[index] = Some(Decision::Created(response.clone()));
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

    async fn write(
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

    fn decisions(&mut self) -> Vec<Decision> {
        let decisions = std::mem::take(&mut self.decisions).into_iter();
        decisions
            .map(|it| it.expect("every command is decided by now"))
            .collect()
    }
}
