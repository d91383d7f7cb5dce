//! The inputs of a batch, read inside its transaction in a fixed number of statements, and the verdict
//! about each member that follows from them: a decision, or a plan.

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
    stages::Stage,
    vendors::lent_tx::LentTx,
};

use super::super::{
    command::{CheckoutCommand, Decision},
    loaded_carts::LoadedCarts,
};

/// The verdict about one command.
pub(super) enum Verdict {
    /// The command is decided, and nothing is left to do.
    Decided(Decision),
    /// The stock of this plan is to be reserved.
    Planned(CheckoutPlan),
    /// The cart is held by a transaction of others.
    CartHeld,
}

/// The verdicts about a batch.
pub(super) struct Verdicts {
    /// One per command, in the same order.
    pub verdicts: Vec<Verdict>,
    /// The stock of all products, as it was read.
    pub available: BTreeMap<StockKey, i32>,
}

/// Reads the inputs and decides about every command, in the order of their arrival.
pub(super) async fn decide(
    tx: &mut LentTx,
    commands: &[&CheckoutCommand],
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<Verdicts, db::Error> {
    let mut inputs = Inputs::read(tx, commands, now).await?;
    let verdict = |(index, command): (usize, &&CheckoutCommand)| {
        if inputs.held_carts.contains(&command.request.asked_cart()) {
            return Verdict::CartHeld;
        }
        match inputs.plan(index, command, terms, now) {
            Ok(plan) => Verdict::Planned(plan),
            Err(decision) => Verdict::Decided(decision),
        }
    };
    Ok(Verdicts {
        verdicts: commands.iter().enumerate().map(verdict).collect(),
        available: inputs.carts.into_available(),
    })
}

struct Inputs {
    /// Carts that could not be locked.
    held_carts: HashSet<AskedCart>,
    memberships: Vec<Option<Membership>>,
    first_answers: Vec<Option<FirstAnswer>>,
    carts: LoadedCarts,
}

impl Inputs {
    async fn read(
        tx: &mut LentTx,
        commands: &[&CheckoutCommand],
        now: DateTime<Utc>,
    ) -> Result<Self, db::Error> {
        let requests = || commands.iter().map(|command| command.request);
        let asked: Vec<_> = requests().map(|request| request.asked_cart()).collect();
        let carts = db::carts::lock(tx.connection(), &asked).await?;
        let held_carts = find_held_carts(tx.connection(), &asked, &carts).await?;
        tx.end_lap(Stage::Reads, "lock carts");
        // Read after the locks, so that what the last holder of a lock has committed is seen.
        let callers: Vec<_> = requests()
            .map(|request| (request.user_id, request.store_id))
            .collect();
        let memberships = db::stores::find_memberships(tx.connection(), &callers).await?;
        tx.end_lap(Stage::Reads, "read memberships");
        let scopes: Vec<_> = commands.iter().map(|command| &command.scope).collect();
        let first_answers =
            db::idempotency::find_first_answers(tx.connection(), &scopes, now).await?;
        tx.end_lap(Stage::Reads, "read first answers");
        let carts = LoadedCarts::load(tx.connection(), carts).await?;
        tx.end_lap(Stage::Reads, "read carts, prices and stock");
        Ok(Self {
            held_carts,
            memberships,
            first_answers,
            carts,
        })
    }

    /// The caller is checked first: a caller that is no member learns nothing about carts and keys. Then
    /// the key, whose first answer members get whatever has become of the store's licence. Then the
    /// licence.
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
        let planned = self.carts.plan(request, buyer, terms, now);
        planned.map_err(Decision::Refused)
    }
}

/// The carts that exist but could not be locked. A cart that was released in between counts as held: it is
/// looked at again in a moment.
async fn find_held_carts(
    connection: &mut PgConnection,
    asked: &[AskedCart],
    locked: &HashMap<AskedCart, CartHead>,
) -> Result<HashSet<AskedCart>, db::Error> {
    let missing = asked.iter().filter(|cart| !locked.contains_key(cart));
    let missing: Vec<_> = missing.copied().collect();
    if missing.is_empty() {
        return Ok(HashSet::new());
    }
    let existing = db::carts::find(connection, &missing).await?;
    Ok(existing.into_keys().collect())
}
