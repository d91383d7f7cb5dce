//! The members of a batch before their stock is reserved: planned, decided, or set aside.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{
        checkout::CheckoutPlan,
        reservation::{Bid, BidOutcomes},
    },
    held_rows::Row,
};

use super::{
    super::command::{CheckoutCommand, Decision},
    inputs::Verdict,
    outcome::Outcome,
    settled::{NewRows, Settled},
};

/// The members of a batch, by their index.
pub(super) struct Planned {
    /// `None` for members with a plan.
    outcomes: Vec<Option<Outcome>>,
    plans: Vec<(usize, CheckoutPlan)>,
}

impl Planned {
    pub(super) fn new(verdicts: Vec<Verdict>, commands: &[&CheckoutCommand]) -> Self {
        let mut planned = Self {
            outcomes: Vec::with_capacity(verdicts.len()),
            plans: Vec::new(),
        };
        for (index, verdict) in verdicts.into_iter().enumerate() {
            let outcome = match verdict {
                Verdict::Decided(decision) => Some(Outcome::Decided(decision)),
                Verdict::Planned(plan) => {
                    planned.plans.push((index, plan));
                    None
                }
                Verdict::CartHeld => {
                    let cart = Row::Cart(commands[index].request.asked_cart());
                    Some(Outcome::Held(vec![cart]))
                }
            };
            planned.outcomes.push(outcome);
        }
        planned
    }

    /// The plans, with the index of their member.
    pub(super) fn plans(&self) -> impl Iterator<Item = (usize, &CheckoutPlan)> {
        self.plans.iter().map(|(index, plan)| (*index, plan))
    }

    /// Takes those plans out for which there is an outcome. The plans are visited in their order.
    pub(super) fn set_aside(
        &mut self,
        mut outcome: impl FnMut(usize, &CheckoutPlan) -> Option<Outcome>,
    ) {
        let outcomes = &mut self.outcomes;
        self.plans.retain(|(index, plan)| {
            let outcome = outcome(*index, plan);
            let is_kept = outcome.is_none();
            if !is_kept {
                outcomes[*index] = outcome;
            }
            is_kept
        });
    }

    /// The bids of the plans, in their order.
    pub(super) fn bids(&self) -> Vec<Bid> {
        self.plans.iter().map(|(_, plan)| plan.bid()).collect()
    }

    /// Makes orders and answers from the outcomes of the bids.
    pub(super) fn settle<'a>(
        self,
        commands: &[&'a CheckoutCommand],
        outcomes: &[BidOutcomes],
        now: DateTime<Utc>,
    ) -> Settled<'a> {
        let mut decided = self.outcomes;
        let mut rows = NewRows::at(now);
        for ((index, plan), outcomes) in self.plans.into_iter().zip(outcomes) {
            let decision = match plan.settle(outcomes, &mut Uuid::now_v7, now) {
                Ok(checkout) => Decision::Created(rows.add(commands[index], checkout)),
                Err(refusal) => Decision::Refused(refusal),
            };
            decided[index] = Some(Outcome::Decided(decision));
        }
        let outcomes = decided
            .into_iter()
            .map(|outcome| outcome.expect("every member is settled by now"));
        Settled {
            outcomes: outcomes.collect(),
            rows,
        }
    }
}
