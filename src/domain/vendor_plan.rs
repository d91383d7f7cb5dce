//! One vendor's part of a checkout's plan: its eligibility, its demands, the order that comes of it.
//!
//! Figures are computed over the reserved lines only; rejected lines stay in the order.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    cart::{CartLine, vendor_totals},
    ids::{LineItemId, OrderId, PaymentIntentId, ProductId, VendorStoreId},
    lock_order::StockKey,
    money::Money,
    order::{LineStatus, OrderLine, OrderStatus, PaymentIntent, PaymentMethod, VendorOrder},
    plan_inputs::PlanInputs,
    pricing::{DiscountTerms, LinePrice},
    purchase_limit::DemandLimit,
    rejection::{LineRejectionReason, OrderRejectionReason, Rejection, ShortLine},
    reservation::{BidOutcomes, Demand, ReservationOutcome},
    shortage_policy::ShortagePolicy,
    store::EligibleVendor,
    vendor_ineligible::VendorIneligible,
    violation::{Violation, ViolationCode},
};

/// The part of a checkout that one vendor is to deliver.
#[derive(Clone, Debug)]
pub(super) struct VendorPlan {
    vendor_store_id: VendorStoreId,
    vendor_name: String,
    /// The reasons for which the vendor may not sell. The first is given for its order and lines.
    ineligible: Vec<VendorIneligible>,
    discount: Option<DiscountTerms>,
    lines: Vec<PlannedLine>,
}

#[derive(Clone, Debug)]
struct PlannedLine {
    position: i32,
    line: CartLine,
    /// The fewest units that may be reserved in place of all.
    qty_min: i32,
    /// The purchase limit of the product, if it has one.
    limit: Option<DemandLimit>,
    /// The reason for which the line can't be reserved, if that is known before stock is looked at.
    barred: Option<LineRejectionReason>,
}

impl VendorPlan {
    /// Checks the vendor and its products again.
    pub(super) fn new(
        vendor_store_id: VendorStoreId,
        lines: &[&CartLine],
        positions: &HashMap<ProductId, i32>,
        discount: Option<DiscountTerms>,
        policy: ShortagePolicy,
        inputs: PlanInputs<'_>,
    ) -> Self {
        let store = inputs.vendors.get(&vendor_store_id);
        let ineligible = match store {
            None => vec![VendorIneligible::VendorLicenseInvalid],
            Some(store) => EligibleVendor::admit(store, inputs.buyer, inputs.now)
                .err()
                .unwrap_or_default(),
        };
        let reason = ineligible.first().copied();
        let mut lines: Vec<_> = lines
            .iter()
            .map(|line| PlannedLine {
                position: positions[&line.product_id],
                line: (*line).clone(),
                qty_min: policy.qty_min(line.qty, line.moq),
                limit: demand_limit(line.product_id, inputs),
                barred: reason.map(LineRejectionReason::from).or_else(|| {
                    (!inputs.products_sold.contains(&line.product_id))
                        .then_some(LineRejectionReason::ProductUnavailable)
                }),
            })
            .collect();
        let is_incomplete = lines.iter().any(|planned| planned.barred.is_some());
        if policy == ShortagePolicy::RejectVendor && is_incomplete {
            for planned in &mut lines {
                let reason = LineRejectionReason::VendorOrderIncomplete;
                planned.barred.get_or_insert(reason);
            }
        }
        Self {
            vendor_store_id,
            vendor_name: store.map_or_else(String::new, |store| store.name.clone()),
            ineligible,
            discount,
            lines,
        }
    }

    pub(super) fn is_ineligible(&self) -> bool {
        !self.ineligible.is_empty()
    }

    /// The demands of the lines that can be reserved, in the cart's order.
    pub(super) fn demands(&self) -> impl Iterator<Item = Demand> + '_ {
        let possible = self.lines.iter().filter(|planned| planned.barred.is_none());
        possible.map(|planned| Demand {
            stock: StockKey {
                vendor_store_id: self.vendor_store_id,
                product_id: planned.line.product_id,
            },
            qty: planned.line.qty,
            qty_min: planned.qty_min,
            limit: planned.limit,
        })
    }

    /// The number of line items.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// True if all lines depend on nothing but stock.
    pub(super) fn is_unbarred(&self) -> bool {
        self.lines.iter().all(|planned| planned.barred.is_none())
    }

    /// The lines that can't be had whole, without those that are only withheld because of them.
    pub(super) fn short_lines<'a>(
        &'a self,
        outcomes: &'a BidOutcomes,
    ) -> impl Iterator<Item = ShortLine> + 'a {
        self.lines.iter().filter_map(|planned| {
            let line = &planned.line;
            let rejection = match (planned.barred, outcomes.get(&line.product_id)) {
                (Some(reason), _) => Rejection::because(reason),
                (None, Some(ReservationOutcome::Insufficient { available_qty })) => {
                    Rejection::short(*available_qty, line.moq)
                }
                (None, Some(ReservationOutcome::LimitReached(limit))) => {
                    Rejection::over_limit(*limit)
                }
                (None, _) => return None,
            };
            let vendor = self.vendor_store_id;
            Some(ShortLine {
                product_id: line.product_id,
                vendor_store_id: vendor,
                qty: line.qty,
                rejection,
            })
        })
    }

    pub(super) fn violations(&self) -> impl Iterator<Item = Violation> + '_ {
        self.ineligible.iter().map(|reason| {
            Violation::new(ViolationCode::from(*reason), "/cart_id").vendor(self.vendor_store_id)
        })
    }

    /// Turns the outcomes into the vendor's order.
    pub(super) fn settle(
        self,
        method: PaymentMethod,
        outcomes: &BidOutcomes,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> VendorOrder {
        let id = OrderId::new(new_id());
        let mut reserved: Vec<LinePrice> = Vec::with_capacity(self.lines.len());
        let mut lines = Vec::with_capacity(self.lines.len());
        for planned in &self.lines {
            for part in planned.settle(outcomes, new_id) {
                if part.rejection.is_none() {
                    reserved.push(planned.line.price.of_part(part.qty));
                }
                lines.push(part);
            }
        }
        let totals = vendor_totals(&reserved, self.discount);
        let rejected = reserved.is_empty();
        // If nothing is to be collected there is no payment to intend.
        let payment_intent = (totals.total > Money::ZERO).then(|| PaymentIntent {
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
                self.ineligible.first().copied().map_or(
                    OrderRejectionReason::NoLineReserved,
                    OrderRejectionReason::from,
                )
            }),
            payment_intent,
            lines,
        }
    }
}

/// The purchase limit of a product, as the plan's buyer is under it.
fn demand_limit(product: ProductId, inputs: PlanInputs<'_>) -> Option<DemandLimit> {
    let limit = inputs.purchase_limits.get(&product)?;
    Some(DemandLimit {
        buyer_store_id: inputs.buyer.id,
        qty: limit.qty,
        since: limit.counts_since(inputs.now),
    })
}

impl PlannedLine {
    /// The order's line, or two lines if it was filled in part.
    fn settle(&self, outcomes: &BidOutcomes, new_id: &mut dyn FnMut() -> Uuid) -> Vec<OrderLine> {
        let qty = self.line.qty;
        let mut part = |qty, rejection| self.part(LineItemId::new(new_id()), qty, rejection);
        if let Some(reason) = self.barred {
            return vec![part(qty, Some(Rejection::because(reason)))];
        }
        let outcome = outcomes.get(&self.line.product_id);
        match *outcome.expect("every demand of a plan has an outcome") {
            ReservationOutcome::Reserved => vec![part(qty, None)],
            ReservationOutcome::Filled { available_qty } => {
                let rest = Some(Rejection::rest(available_qty));
                vec![part(available_qty, None), part(qty - available_qty, rest)]
            }
            ReservationOutcome::Insufficient { available_qty } => {
                vec![part(
                    qty,
                    Some(Rejection::short(available_qty, self.line.moq)),
                )]
            }
            ReservationOutcome::FilledToLimit(limit) => {
                let left_qty = limit.left_qty();
                let rest = Some(Rejection::rest_over_limit(limit));
                vec![part(left_qty, None), part(qty - left_qty, rest)]
            }
            ReservationOutcome::LimitReached(limit) => {
                vec![part(qty, Some(Rejection::over_limit(limit)))]
            }
            ReservationOutcome::Withheld => {
                let reason = LineRejectionReason::VendorOrderIncomplete;
                vec![part(qty, Some(Rejection::because(reason)))]
            }
        }
    }

    fn part(&self, id: LineItemId, qty: i32, rejection: Option<Rejection>) -> OrderLine {
        let Self { position, line, .. } = self;
        let price = line.price.of_part(qty);
        OrderLine {
            id,
            position: *position,
            product_id: line.product_id,
            sku: line.sku.clone(),
            title: line.title.clone(),
            unit: line.unit,
            qty,
            list_price: price.list_price,
            unit_price: price.unit_price,
            discount: price.discount,
            total: price.total,
            status: if rejection.is_some() {
                LineStatus::Rejected
            } else {
                LineStatus::Pending
            },
            rejection,
        }
    }
}
