//! What carts can be bought at now: their snapshots, and what has become of their vendors, products
//! and stock since. Read in a fixed number of statements, however many carts there are.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{self, carts::Snapshots},
    domain::{
        cart::{CartHead, CartStatus},
        checkout::{AskedCart, CheckoutPlan, CheckoutRequest},
        ids::{CartId, CheckoutGroupId, VendorStoreId},
        lock_order::StockKey,
        plan_inputs::PlanInputs,
        refusal::Refusal,
        store::{EligibleBuyer, Store},
        terms::Terms,
    },
};

/// See the module.
pub(super) struct Offer {
    carts: HashMap<AskedCart, CartHead>,
    groups_of_converted: HashMap<CartId, CheckoutGroupId>,
    snapshots: Snapshots,
    vendors: HashMap<VendorStoreId, Store>,
}

impl Offer {
    /// Reads everything about these carts.
    pub(super) async fn read(
        connection: &mut PgConnection,
        carts: HashMap<AskedCart, CartHead>,
    ) -> Result<Self, db::Error> {
        let (active, converted): (Vec<_>, Vec<_>) = carts
            .values()
            .partition(|cart| cart.status == CartStatus::Active);
        let mut offer = Self {
            groups_of_converted: HashMap::new(),
            snapshots: Snapshots::default(),
            vendors: HashMap::new(),
            carts: HashMap::new(),
        };
        if !converted.is_empty() {
            let ids: Vec<_> = converted.iter().map(|cart| cart.id).collect();
            offer.groups_of_converted = db::orders::find_groups_of_carts(connection, &ids).await?;
        }
        if !active.is_empty() {
            offer.snapshots = db::carts::load_snapshots(connection, &active).await?;
            let vendor_ids = offer.snapshots.vendor_ids();
            let stores = db::stores::find_stores(connection, &vendor_ids).await?;
            let by_vendor = |store: Store| (VendorStoreId::new(store.id.uuid()), store);
            offer.vendors = stores.into_iter().map(by_vendor).collect();
        }
        offer.carts = carts;
        Ok(offer)
    }

    /// What there was of all products, when it was read.
    pub(super) fn available(&self) -> &BTreeMap<StockKey, i32> {
        &self.snapshots.available
    }

    /// The same, when nothing else is wanted any more.
    pub(super) fn into_available(self) -> BTreeMap<StockKey, i32> {
        self.snapshots.available
    }

    /// The plan of a checkout. It takes the cart out: a cart can be bought once.
    pub(super) fn plan(
        &mut self,
        request: CheckoutRequest,
        buyer: EligibleBuyer,
        terms: Terms,
        now: DateTime<Utc>,
    ) -> Result<CheckoutPlan, Refusal> {
        let cart = self
            .carts
            .remove(&request.asked_cart())
            .ok_or(Refusal::CartNotFound)?;
        if cart.status == CartStatus::Converted {
            let group_id = self.groups_of_converted.get(&cart.id).copied();
            return Err(group_id.map_or(Refusal::CartNotFound, Refusal::CartAlreadyConverted));
        }
        let cart = self.snapshots.take(cart);
        let inputs = PlanInputs {
            buyer: &buyer,
            vendors: &self.vendors,
            products_sold: &self.snapshots.products_sold,
            terms,
            now,
        };
        CheckoutPlan::for_cart(request, cart, inputs)
    }
}
