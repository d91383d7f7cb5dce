//! Who wants what of a batch's vendors, and how their answers get back to the plans.

use std::collections::BTreeMap;

use crate::{
    db::inventory::ByVendor,
    domain::{
        checkout::CheckoutPlan,
        ids::{ProductId, VendorStoreId},
        reservation::{ReservationOutcome, foresee},
    },
};

use super::super::vendor_inventory::{Demands, Outcomes};

/// What became of one plan's demands, by product.
pub(super) type OfPlan = BTreeMap<ProductId, ReservationOutcome>;

/// The demands of all plans, each vendor's in the order of the plans.
pub(super) struct Requested {
    /// For the vendors.
    pub demands: Demands,
    /// Whose each demand is.
    askers: BTreeMap<VendorStoreId, Vec<(usize, ProductId)>>,
    plans: usize,
}

impl Requested {
    pub(super) fn by<'a>(plans: impl ExactSizeIterator<Item = &'a CheckoutPlan>) -> Self {
        let mut requested = Self {
            demands: Demands::new(),
            askers: BTreeMap::new(),
            plans: plans.len(),
        };
        for (nr, plan) in plans.enumerate() {
            for (vendor, demands) in plan.demands() {
                let askers = requested.askers.entry(vendor).or_default();
                askers.extend(demands.iter().map(|demand| (nr, demand.product_id)));
                requested.demands.entry(vendor).or_default().extend(demands);
            }
        }
        requested
    }

    /// What the vendors will answer if nobody takes anything of `available` first.
    pub(super) fn foresee(&self, available: &ByVendor<i32>) -> Outcomes {
        let nothing = BTreeMap::new();
        let outcomes = self.demands.iter().map(|(vendor, demands)| {
            let available = available.get(vendor).unwrap_or(&nothing);
            (*vendor, foresee(demands, available))
        });
        outcomes.collect()
    }

    /// Hands the vendors' answers out to the plans, in their order.
    pub(super) fn hand_out(&self, outcomes: &Outcomes) -> Vec<OfPlan> {
        let mut by_plan = vec![BTreeMap::new(); self.plans];
        for (vendor, askers) in &self.askers {
            for ((nr, product), outcome) in askers.iter().zip(&outcomes[vendor]) {
                by_plan[*nr].insert(*product, *outcome);
            }
        }
        by_plan
    }
}
