//! What the database says about a batch, read inside its transaction in a fixed number of
//! statements, and what follows for each member: a decision, or a plan.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    db::{self, carts::Snapshots, inventory::ByVendor},
    domain::{
        caller::{Access, Caller, Membership},
        cart::{CartHead, CartStatus},
        checkout::{CheckoutPlan, Circumstances, PaymentPolicy},
        idempotency::FirstAnswer,
        ids::{CartId, CheckoutGroupId, VendorStoreId},
        store::Store,
    },
};

use super::{
    super::command::{CheckoutCommand, Decision, Refusal},
    lent_tx::LentTx,
};

/// What follows for one command.
pub(super) enum Prospect {
    /// Nothing is left to do.
    Decided(Decision),
    /// Its stock is to be reserved.
    Planned(CheckoutPlan),
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
    policy: PaymentPolicy,
    now: DateTime<Utc>,
) -> Result<Judged, db::Error> {
    let mut situation = Situation::read(tx, commands, now).await?;
    let judge =
        |(index, command): (usize, &&CheckoutCommand)| situation.judge(index, command, policy, now);
    Ok(Judged {
        prospects: commands.iter().enumerate().map(judge).collect(),
        available: situation.snapshots.available,
    })
}

struct Situation {
    memberships: Vec<Option<Membership>>,
    first_answers: Vec<Option<FirstAnswer>>,
    carts: HashMap<CartId, CartHead>,
    groups_of_converted: HashMap<CartId, CheckoutGroupId>,
    snapshots: Snapshots,
    vendors: HashMap<VendorStoreId, Store>,
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
        // After the locks, so that we see what the last holder of a lock has committed.
        let callers: Vec<_> = requests().map(|it| (it.user_id, it.store_id)).collect();
        let memberships = db::stores::find_memberships(connection, &callers).await?;
        let scopes: Vec<_> = commands.iter().map(|command| &command.scope).collect();
        let first_answers = db::idempotency::find_first_answers(connection, &scopes, now).await?;
        let (active, converted): (Vec<_>, Vec<_>) = carts
            .values()
            .partition(|cart| cart.status == CartStatus::Active);
        let ids = |carts: &[&CartHead]| carts.iter().map(|cart| cart.id).collect::<Vec<_>>();
        let mut situation = Self {
            memberships,
            first_answers,
            groups_of_converted: HashMap::new(),
            snapshots: Snapshots::default(),
            vendors: HashMap::new(),
            carts: HashMap::new(),
        };
        if !converted.is_empty() {
            situation.groups_of_converted =
                db::orders::find_groups_of_carts(connection, &ids(&converted)).await?;
        }
        if !active.is_empty() {
            situation.snapshots = db::carts::load_snapshots(connection, &ids(&active)).await?;
            let vendor_ids = situation.snapshots.vendor_ids();
            let stores = db::stores::find_stores(connection, &vendor_ids).await?;
            let by_vendor = |store: Store| (VendorStoreId::new(store.id.uuid()), store);
            situation.vendors = stores.into_iter().map(by_vendor).collect();
        }
        situation.carts = carts;
        Ok(situation)
    }

    fn judge(
        &mut self,
        index: usize,
        command: &CheckoutCommand,
        payment_policy: PaymentPolicy,
        now: DateTime<Utc>,
    ) -> Prospect {
        match self.plan(index, command, payment_policy, now) {
            Ok(plan) => Prospect::Planned(plan),
            Err(decision) => Prospect::Decided(decision),
        }
    }

    /// The gate comes first: who may not check out learns nothing of carts and keys.
    fn plan(
        &mut self,
        index: usize,
        command: &CheckoutCommand,
        payment_policy: PaymentPolicy,
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
        let cart = self
            .carts
            .remove(&request.cart_id)
            .filter(|cart| cart.buyer_store_id == buyer.id)
            .ok_or(Decision::Refused(Refusal::CartNotFound))?;
        if cart.status == CartStatus::Converted {
            let group_id = self.groups_of_converted.get(&cart.id);
            return Err(Decision::Refused(
                group_id.map_or(Refusal::CartNotFound, |group_id| {
                    Refusal::CartAlreadyConverted(*group_id)
                }),
            ));
        }
        let cart = self.snapshots.take(cart);
        let circumstances = Circumstances {
            buyer: &buyer,
            vendors: &self.vendors,
            products_sold: &self.snapshots.products_sold,
            payment_policy,
            now,
        };
        CheckoutPlan::draw_up(request, cart, circumstances)
            .map_err(|violations| Decision::Refused(Refusal::Invalid(violations)))
    }
}
