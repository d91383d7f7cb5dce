//! What the database says about a batch, read inside its transaction in a fixed number of
//! statements, and what follows for each member: a decision, or a plan.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    db::{self, carts::Snapshots},
    domain::{
        cart::{CartHead, CartStatus},
        checkout::{CheckoutPlan, Circumstances, PaymentPolicy},
        idempotency::FirstAnswer,
        ids::{CartId, CheckoutGroupId, StoreId, VendorStoreId},
        store::{EligibleBuyer, Store},
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

/// Reads the situation and judges every command by it, in the order in which they came.
pub(super) async fn judge(
    tx: &mut LentTx,
    commands: &[&CheckoutCommand],
    policy: PaymentPolicy,
    now: DateTime<Utc>,
) -> Result<Vec<Prospect>, db::Error> {
    let mut situation = Situation::read(tx, commands, now).await?;
    let judge =
        |(index, command): (usize, &&CheckoutCommand)| situation.judge(index, command, policy, now);
    Ok(commands.iter().enumerate().map(judge).collect())
}

struct Situation {
    first_answers: Vec<Option<FirstAnswer>>,
    carts: HashMap<CartId, CartHead>,
    groups_of_converted: HashMap<CartId, CheckoutGroupId>,
    snapshots: Snapshots,
    stores: HashMap<StoreId, Store>,
    vendors: HashMap<VendorStoreId, Store>,
}

impl Situation {
    async fn read(
        tx: &mut LentTx,
        commands: &[&CheckoutCommand],
        now: DateTime<Utc>,
    ) -> Result<Self, db::Error> {
        let connection = tx.connection();
        let cart_ids: Vec<_> = commands
            .iter()
            .map(|command| command.request.cart_id)
            .collect();
        let carts = db::carts::lock(connection, &cart_ids).await?;
        // After the locks, so that we see what the last holder of a lock has committed.
        let scopes: Vec<_> = commands.iter().map(|command| &command.scope).collect();
        let first_answers = db::idempotency::find_first_answers(connection, &scopes, now).await?;
        let (active, converted): (Vec<_>, Vec<_>) = carts
            .values()
            .partition(|cart| cart.status == CartStatus::Active);
        let ids = |carts: &[&CartHead]| carts.iter().map(|cart| cart.id).collect::<Vec<_>>();
        let groups_of_converted = if converted.is_empty() {
            HashMap::new()
        } else {
            db::orders::find_groups_of_carts(connection, &ids(&converted)).await?
        };
        if active.is_empty() {
            return Ok(Self {
                first_answers,
                carts,
                groups_of_converted,
                snapshots: Snapshots::default(),
                stores: HashMap::new(),
                vendors: HashMap::new(),
            });
        }
        let snapshots = db::carts::load_snapshots(connection, &ids(&active)).await?;
        let mut store_ids = snapshots.vendor_ids();
        store_ids.extend(active.iter().map(|cart| StoreId::from(cart.buyer_store_id)));
        let stores = db::stores::find_stores(connection, &store_ids).await?;
        let vendors = stores
            .iter()
            .map(|store| (VendorStoreId::new(store.id.uuid()), store.clone()))
            .collect();
        let stores = stores.into_iter().map(|store| (store.id, store)).collect();
        Ok(Self {
            first_answers,
            carts,
            groups_of_converted,
            snapshots,
            stores,
            vendors,
        })
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

    fn plan(
        &mut self,
        index: usize,
        command: &CheckoutCommand,
        payment_policy: PaymentPolicy,
        now: DateTime<Utc>,
    ) -> Result<CheckoutPlan, Decision> {
        if let Some(first) = self.first_answers[index].take() {
            return Err(if first.fingerprint == command.fingerprint {
                Decision::Replayed(first.response)
            } else {
                Decision::Refused(Refusal::KeyReused)
            });
        }
        let request = command.request;
        let cart = self
            .carts
            .remove(&request.cart_id)
            .filter(|cart| cart.buyer_store_id == request.buyer_store_id)
            .ok_or(Decision::Refused(Refusal::CartNotFound))?;
        if cart.status == CartStatus::Converted {
            let group_id = self.groups_of_converted.get(&cart.id);
            return Err(Decision::Refused(
                group_id.map_or(Refusal::CartNotFound, |group_id| {
                    Refusal::CartAlreadyConverted(*group_id)
                }),
            ));
        }
        let buyer = self
            .stores
            .get(&StoreId::from(cart.buyer_store_id))
            .map(|store| EligibleBuyer::admit(store, now))
            .expect("a foreign key ties a cart to its buyer's store")
            .map_err(|reason| Decision::Refused(Refusal::BuyerIneligible(reason)))?;
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
