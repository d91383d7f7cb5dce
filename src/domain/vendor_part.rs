//! One vendor's part of a checkout: who is judged, what is demanded, which order comes of it.
//!
//! Figures are computed over the reserved lines only; rejected lines stay in the order.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    cart::{CartLine, vendor_totals},
    checkout::Circumstances,
    ids::{LineItemId, OrderId, PaymentIntentId, ProductId, VendorStoreId},
    money::Money,
    order::{
        LineRejectionReason, LineStatus, OrderLine, OrderRejectionReason, OrderStatus,
        PaymentIntent, PaymentMethod, Rejection, VendorOrder,
    },
    pricing::{DiscountTerms, LinePrice},
    reservation::{Demand, ReservationOutcome},
    store::{EligibleVendor, VendorIneligible},
    violation::{Violation, ViolationCode},
};

/// What a cart takes from one vendor.
#[derive(Clone, Debug)]
pub(super) struct VendorPart {
    vendor_store_id: VendorStoreId,
    vendor_name: String,
    /// Why the vendor may not sell; the first is the reason of its order and lines.
    objections: Vec<VendorIneligible>,
    discount: Option<DiscountTerms>,
    lines: Vec<PlannedLine>,
}

#[derive(Clone, Debug)]
struct PlannedLine {
    position: i32,
    line: CartLine,
    /// Why it can't be reserved, if that is known before any stock is looked at.
    barred: Option<LineRejectionReason>,
}

impl VendorPart {
    /// Judges the vendor and its products anew.
    pub(super) fn judge(
        vendor_store_id: VendorStoreId,
        lines: &[&CartLine],
        positions: &HashMap<ProductId, i32>,
        discount: Option<DiscountTerms>,
        circumstances: Circumstances<'_>,
    ) -> Self {
        let store = circumstances.vendors.get(&vendor_store_id);
        let objections = match store {
            None => vec![VendorIneligible::VendorLicenseInvalid],
            Some(store) => EligibleVendor::admit(store, circumstances.buyer, circumstances.now)
                .err()
                .unwrap_or_default(),
        };
        let reason = objections.first().copied();
        let lines = lines
            .iter()
            .map(|line| PlannedLine {
                position: positions[&line.product_id],
                line: (*line).clone(),
                barred: reason.map(LineRejectionReason::from).or_else(|| {
                    (!circumstances.products_sold.contains(&line.product_id))
                        .then_some(LineRejectionReason::ProductUnavailable)
                }),
            })
            .collect();
        Self {
            vendor_store_id,
            vendor_name: store.map_or_else(String::new, |store| store.name.clone()),
            objections,
            discount,
            lines,
        }
    }

    pub(super) fn vendor_store_id(&self) -> VendorStoreId {
        self.vendor_store_id
    }

    pub(super) fn is_ineligible(&self) -> bool {
        !self.objections.is_empty()
    }

    /// What is to be reserved, in the cart's order.
    pub(super) fn demands(&self) -> Vec<Demand> {
        self.lines
            .iter()
            .filter(|planned| planned.barred.is_none())
            .map(|planned| Demand {
                product_id: planned.line.product_id,
                qty: planned.line.qty,
            })
            .collect()
    }

    pub(super) fn violations(&self) -> impl Iterator<Item = Violation> + '_ {
        self.objections.iter().map(|reason| {
            Violation::new(ViolationCode::from(*reason), "/cart_id").vendor(self.vendor_store_id)
        })
    }

    /// Turns the outcomes into the vendor's order.
    pub(super) fn settle(
        self,
        method: PaymentMethod,
        outcomes: &BTreeMap<ProductId, ReservationOutcome>,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> VendorOrder {
        let id = OrderId::new(new_id());
        let mut reserved: Vec<LinePrice> = Vec::with_capacity(self.lines.len());
        let mut lines = Vec::with_capacity(self.lines.len());
        for planned in self.lines {
            let rejection = planned.rejection(outcomes);
            if rejection.is_none() {
                reserved.push(planned.line.price);
            }
            lines.push(planned.settle(LineItemId::new(new_id()), rejection));
        }
        let totals = vendor_totals(&reserved, self.discount);
        let rejected = reserved.is_empty();
        let payment_intent = (!rejected).then(|| PaymentIntent {
            id: PaymentIntentId::new(new_id()),
            method,
            status: method.first_status(),
            amount: totals.total,
        });
        assert!(
            !rejected || totals.total == Money::ZERO,
            "nothing reserved costs nothing"
        );
        VendorOrder {
            id,
            vendor_store_id: self.vendor_store_id,
            vendor_name: self.vendor_name,
            status: if rejected {
                OrderStatus::Rejected
            } else {
                OrderStatus::CreatedPending
            },
            totals,
            balance_due: totals.total,
            rejection_reason: rejected.then(|| {
                self.objections.first().copied().map_or(
                    OrderRejectionReason::NoLineReserved,
                    OrderRejectionReason::from,
                )
            }),
            payment_intent,
            lines,
        }
    }
}

impl PlannedLine {
    fn rejection(&self, outcomes: &BTreeMap<ProductId, ReservationOutcome>) -> Option<Rejection> {
        if let Some(reason) = self.barred {
            return Some(Rejection {
                reason,
                available_qty: None,
            });
        }
        let outcome = outcomes.get(&self.line.product_id);
        match outcome.expect("the actors answer every demand of a plan") {
            ReservationOutcome::Reserved => None,
            ReservationOutcome::Insufficient { available_qty } => Some(Rejection {
                reason: LineRejectionReason::InsufficientInventory,
                available_qty: Some(*available_qty),
            }),
        }
    }

    fn settle(self, id: LineItemId, rejection: Option<Rejection>) -> OrderLine {
        let Self { position, line, .. } = self;
        OrderLine {
            id,
            position,
            product_id: line.product_id,
            sku: line.sku,
            title: line.title,
            unit: line.unit,
            qty: line.qty,
            list_price: line.price.list_price,
            unit_price: line.price.unit_price,
            discount: line.price.discount,
            total: line.price.total,
            status: if rejection.is_some() {
                LineStatus::Rejected
            } else {
                LineStatus::Pending
            },
            rejection,
        }
    }
}
