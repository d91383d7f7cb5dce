//! What the database says about a batch, read inside its transaction in a fixed number of
//! statements, and what follows for each member: a decision, or a plan.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db,
    domain::{
        caller::{Access, Member, Membership},
        cart::CartHead,
        checkout::{AskedCart, CheckoutPlan},
        idempotency::FirstAnswer,
        lock_order::StockKey,
        refusal::Refusal,
        terms::Terms,
    },
};

use super::super::{
    command::{CheckoutCommand, Decision},
    offer::Offer,
    vendors::lent_tx::LentTx,
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
    pub available: BTreeMap<StockKey, i32>,
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
        if situation.held.contains(&command.request.asked_cart()) {
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
    held: HashSet<AskedCart>,
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
        let asked: Vec<_> = requests().map(|request| request.asked_cart()).collect();
        let carts = db::carts::lock(connection, &asked).await?;
        let held = find_held(connection, &asked, &carts).await?;
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

    /// The caller comes first: who is no member learns nothing of carts and keys. Then the key, whose first
    /// answer members hear whatever has become of the store's licence; then the licence.
    fn plan(
        &mut self,
        index: usize,
        command: &CheckoutCommand,
        terms: Terms,
        now: DateTime<Utc>,
    ) -> Result<CheckoutPlan, Decision> {
        let request = command.request;
        let membership = self.memberships[index].as_ref();
        let forbidden = |reason| Decision::Refused(Refusal::Forbidden(reason));
        let member = Member::admit(membership, Access::Change).map_err(forbidden)?;
        if let Some(first) = self.first_answers[index].take() {
            return Err(if first.fingerprint == command.fingerprint {
                Decision::Replayed(first.response)
            } else {
                Decision::Refused(Refusal::KeyReused)
            });
        }
        let buyer = member.of_eligible_buyer(now).map_err(forbidden)?;
        let planned = self.offer.plan(request, buyer, terms, now);
        planned.map_err(Decision::Refused)
    }
}

/// Which of the carts that were not found are held by somebody else, and not unknown. One that was let
/// go of in between counts as held: it is looked at again in a moment.
async fn find_held(
    connection: &mut PgConnection,
    asked: &[AskedCart],
    found: &HashMap<AskedCart, CartHead>,
) -> Result<HashSet<AskedCart>, db::Error> {
    let missing = asked.iter().filter(|cart| !found.contains_key(cart));
    let missing: Vec<_> = missing.copied().collect();
    if missing.is_empty() {
        return Ok(HashSet::new());
    }
    let existing = db::carts::find(connection, &missing).await?;
    Ok(existing.into_keys().collect())
}
