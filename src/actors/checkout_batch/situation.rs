//! What the database says about a batch, read inside its transaction in a fixed number of
//! statements, and what follows for each member: a decision, or a plan.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db,
    domain::{
        caller::{Access, Caller, Membership},
        cart::CartHead,
        checkout::{CheckoutPlan, Terms},
        idempotency::FirstAnswer,
        ids::CartId,
        reservation::ByVendor,
    },
};

use super::{
    super::{
        command::{CheckoutCommand, Decision, Refusal},
        offer::Offer,
    },
    lent_tx::LentTx,
};

/// What follows for one command.
pub(super) enum Prospect {
    /// Nothing is left to do.
    Decided(Decision),
    /// Its stock is to be reserved.
    Planned(CheckoutPlan),
    /// Somebody else holds its cart.
    Held,
}

/// What was found out about a batch.
pub(super) struct Judged {
    /// One per command, in the same order.
    pub prospects: Vec<Prospect>,
    /// What there was of all products, when it was read.
    pub available: ByVendor<i32>,
}

/// Reads the situation and judges every command by it, in the order in which they came.
pub(super) async fn judge(
    tx: &mut LentTx,
    commands: &[&CheckoutCommand],
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<Judged, db::Error> {
    let mut situation = Situation::read(tx, commands, now).await?;
    let judge = |(index, command): (usize, &&CheckoutCommand)| {
        if situation.held.contains(&command.request.cart_id) {
            return Prospect::Held;
        }
        match situation.plan(index, command, terms, now) {
            Ok(plan) => Prospect::Planned(plan),
            Err(decision) => Prospect::Decided(decision),
        }
    };
    Ok(Judged {
        prospects: commands.iter().enumerate().map(judge).collect(),
        available: situation.offer.into_available(),
    })
}

struct Situation {
    /// Carts that could not be locked.
    held: HashSet<CartId>,
    memberships: Vec<Option<Membership>>,
    first_answers: Vec<Option<FirstAnswer>>,
    offer: Offer,
}

impl Situation {
    async fn read(
        tx: &mut LentTx,
        commands: &[&CheckoutCommand],
        now: DateTime<Utc>,
    ) -> Result<Self, db::Error> {
        let connection = tx.connection();
        let requests = || commands.iter().map(|command| command.request);
        let cart_ids: Vec<_> = requests().map(|request| request.cart_id).collect();
        let carts = db::carts::lock(connection, &cart_ids).await?;
        let held = find_held(connection, &cart_ids, &carts).await?;
        // After the locks, so that we see what the last holder of a lock has committed.
        let callers: Vec<_> = requests().map(|it| (it.user_id, it.store_id)).collect();
        let memberships = db::stores::find_memberships(connection, &callers).await?;
        let scopes: Vec<_> = commands.iter().map(|command| &command.scope).collect();
        Ok(Self {
            held,
            memberships,
            first_answers: db::idempotency::find_first_answers(connection, &scopes, now).await?,
            offer: Offer::read(connection, carts).await?,
        })
    }

    /// The gate comes first: who may not check out learns nothing of carts and keys.
    fn plan(
        &mut self,
        index: usize,
        command: &CheckoutCommand,
        terms: Terms,
        now: DateTime<Utc>,
    ) -> Result<CheckoutPlan, Decision> {
        let request = command.request;
        let membership = self.memberships[index].as_ref();
        let buyer = Caller::admit(request.user_id, membership, Access::Change, now)
            .map_err(|reason| Decision::Refused(Refusal::Forbidden(reason)))?
            .buyer;
        if let Some(first) = self.first_answers[index].take() {
            return Err(if first.fingerprint == command.fingerprint {
                Decision::Replayed(first.response)
            } else {
                Decision::Refused(Refusal::KeyReused)
            });
        }
        let planned = self.offer.plan(request, buyer, terms, now);
        planned.map_err(Decision::Refused)
    }
}

/// Which of the carts that were not found are held by somebody else, and not unknown. One that was let
/// go of in between counts as held: it is looked at again in a moment.
async fn find_held(
    connection: &mut PgConnection,
    asked: &[CartId],
    found: &HashMap<CartId, CartHead>,
) -> Result<HashSet<CartId>, db::Error> {
    let missing = asked.iter().filter(|id| !found.contains_key(id));
    let missing: Vec<_> = missing.copied().collect();
    if missing.is_empty() {
        return Ok(HashSet::new());
    }
    let existing = db::carts::find(connection, &missing).await?;
    Ok(existing.into_keys().collect())
}
