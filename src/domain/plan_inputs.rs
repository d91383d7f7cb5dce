//! The inputs of a checkout's plan, besides its request and its cart.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{
    ids::{ProductId, VendorStoreId},
    purchase_limit::PurchaseLimit,
    store::{EligibleBuyer, Store},
    terms::Terms,
};

/// The inputs of a plan. All of them are read inside the checkout's transaction.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// The buyer, which has just passed the gate.
    pub buyer: &'a EligibleBuyer,
    /// The stores of the cart's vendors.
    pub vendors: &'a HashMap<VendorStoreId, Store>,
    /// The products of the cart that are still sold.
    pub products_sold: &'a HashSet<ProductId>,
    /// The purchase limits of those that have one.
    pub purchase_limits: &'a HashMap<ProductId, PurchaseLimit>,
    /// The terms of this service.
    pub terms: Terms,
    /// The time of the checkout.
    pub now: DateTime<Utc>,
}
