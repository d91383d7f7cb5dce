//! Carts with everything that their plans depend on: snapshots, vendors, products that are still sold,
//! stock. Read in a fixed number of statements, however many carts there are.

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

/// Carts, and what has become of their vendors, products and stock.
pub(super) struct LoadedCarts {
    carts: HashMap<AskedCart, CartHead>,
    groups_of_converted: HashMap<CartId, CheckoutGroupId>,
    snapshots: Snapshots,
    vendors: HashMap<VendorStoreId, Store>,
}

impl LoadedCarts {
    /// Reads everything about these carts.
    pub(super) async fn load(
        connection: &mut PgConnection,
        carts: HashMap<AskedCart, CartHead>,
    ) -> Result<Self, db::Error> {
        let (active, converted): (Vec<_>, Vec<_>) = carts
            .values()
            .partition(|cart| cart.status == CartStatus::Active);
        let mut loaded = Self {
            groups_of_converted: HashMap::new(),
            snapshots: Snapshots::default(),
            vendors: HashMap::new(),
            carts: HashMap::new(),
        };
        if !converted.is_empty() {
            let ids: Vec<_> = converted.iter().map(|cart| cart.id).collect();
            loaded.groups_of_converted = db::orders::find_groups_of_carts(connection, &ids).await?;
        }
        if !active.is_empty() {
            loaded.snapshots = db::carts::load_snapshots(connection, &active).await?;
            let vendor_ids = loaded.snapshots.vendor_ids();
            let stores = db::stores::find_stores(connection, &vendor_ids).await?;
            let by_vendor = |store: Store| (VendorStoreId::new(store.id.uuid()), store);
            loaded.vendors = stores.into_iter().map(by_vendor).collect();
        }
        loaded.carts = carts;
        Ok(loaded)
    }

    /// The stock of all products, as it was read.
    pub(super) fn available(&self) -> &BTreeMap<StockKey, i32> {
        &self.snapshots.available
    }

    /// The stock of all products, as it was read.
    pub(super) fn into_available(self) -> BTreeMap<StockKey, i32> {
        self.snapshots.available
    }

    /// Plans a checkout. The cart is taken out, because it can be bought once.
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
            purchase_limits: &self.snapshots.purchase_limits,
            terms,
            now,
        };
        CheckoutPlan::for_cart(request, cart, inputs)
    }
}
