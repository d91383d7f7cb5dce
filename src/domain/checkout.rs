//! Checkout: a frozen cart is split by vendor, its demands are handed out, and the outcomes are
//! settled into orders (PF-078, PF-080). Partial success is per line.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    cart::{CartLine, CartRecord, Totals, group_by_vendor, vendor_totals},
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        UserId, VendorStoreId,
    },
    money::Money,
    order::{
        Checkout, CheckoutGroup, LineRejectionReason, LineStatus, OrderLine, OrderRejectionReason,
        OrderStatus, PaymentIntent, PaymentMethod, Rejection, VendorOrder,
    },
    pricing::{DiscountTerms, LinePrice},
    reservation::{Demand, ReservationOutcome},
    store::{EligibleBuyer, EligibleVendor, Store, VendorIneligible},
    violation::{Violation, ViolationCode},
};

/// What a buyer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The cart to buy.
    pub cart_id: CartId,
    /// Who buys.
    pub buyer_store_id: BuyerStoreId,
    /// The person who asks.
    pub user_id: UserId,
    /// How each order is to be paid.
    pub payment_method: PaymentMethod,
}

/// Which ways of paying this service offers beside cash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PaymentPolicy {
    CashOnly,
    CashAndAch,
}

impl PaymentPolicy {
    const fn allows(self, method: PaymentMethod) -> bool {
        matches!(
            (self, method),
            (_, PaymentMethod::Cash) | (Self::CashAndAch, _)
        )
    }
}

/// What a plan is made from, all of it read inside the checkout's transaction.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The buyer, admitted just now.
    pub buyer: &'a EligibleBuyer,
    /// The stores of the cart's vendors.
    pub vendors: &'a HashMap<VendorStoreId, Store>,
    /// Those of the cart's products that are still sold.
    pub products_sold: &'a HashSet<ProductId>,
    /// Which ways of paying are offered.
    pub payment_policy: PaymentPolicy,
    /// The time of this checkout.
    pub now: DateTime<Utc>,
}

/// A cart split by vendor, ready to have its stock reserved.
#[derive(Clone, Debug)]
pub struct CheckoutPlan {
    request: CheckoutRequest,
    currency: String,
    parts: Vec<VendorPart>,
}

#[derive(Clone, Debug)]
struct VendorPart {
    vendor_store_id: VendorStoreId,
    vendor_name: String,
    ineligible: Option<VendorIneligible>,
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

impl CheckoutPlan {
    /// Splits a cart by vendor and judges every vendor and product anew.
    ///
    /// MOQ and price are the snapshot's: a later change in the catalogue rejects nothing.
    ///
    /// # Errors
    /// All reasons why the checkout can't be attempted at all: the way of paying is not offered, or
    /// no vendor may sell any more.
    pub fn draw_up(
        request: CheckoutRequest,
        cart: CartRecord,
        circumstances: Circumstances<'_>,
    ) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        if !circumstances.payment_policy.allows(request.payment_method) {
            violations.push(Violation::new(
                ViolationCode::PaymentMethodNotAllowed,
                "/payment_method",
            ));
        }
        let positions: HashMap<ProductId, i32> = (0..)
            .zip(&cart.items)
            .map(|(position, (_, line))| (line.product_id, position))
            .collect();
        let parts: Vec<_> = group_by_vendor(cart.items.iter().map(|(_, line)| line))
            .into_iter()
            .map(|(vendor, lines)| {
                let discount = cart
                    .discounts
                    .iter()
                    .find(|it| it.vendor_store_id == vendor);
                let terms = discount.map(|granted| granted.terms);
                VendorPart::judge(vendor, &lines, &positions, terms, circumstances)
            })
            .collect();
        if parts.iter().all(|part| part.ineligible.is_some()) {
            violations.extend(parts.iter().filter_map(VendorPart::violation));
        }
        if violations.is_empty() {
            Ok(Self {
                request,
                currency: cart.head.currency,
                parts,
            })
        } else {
            Err(violations)
        }
    }

    /// What is to be reserved, by vendor in ascending id; a product appears once at most.
    pub fn demands(&self) -> impl Iterator<Item = (VendorStoreId, Vec<Demand>)> + '_ {
        self.parts.iter().filter_map(|part| {
            let demands: Vec<_> = part
                .lines
                .iter()
                .filter(|planned| planned.barred.is_none())
                .map(|planned| Demand {
                    product_id: planned.line.product_id,
                    qty: planned.line.qty,
                })
                .collect();
            (!demands.is_empty()).then_some((part.vendor_store_id, demands))
        })
    }

    /// Turns the outcomes of the reservation into orders.
    ///
    /// Figures are computed over the reserved lines only; a store discount once granted is not
    /// withdrawn because a line was rejected.
    ///
    /// # Panics
    /// A demand has no outcome, or the figures do not add up: both are bugs of ours.
    pub fn settle(
        self,
        outcomes: &BTreeMap<ProductId, ReservationOutcome>,
        new_id: &mut dyn FnMut() -> Uuid,
        now: DateTime<Utc>,
    ) -> Checkout {
        let method = self.request.payment_method;
        let group_id = CheckoutGroupId::new(new_id());
        let orders: Vec<_> = self
            .parts
            .into_iter()
            .map(|part| part.settle(method, outcomes, new_id))
            .collect();
        let totals: Totals = orders.iter().map(|order| order.totals).sum();
        assert_eq!(
            totals.total,
            totals.subtotal - totals.discount_total,
            "group adds up"
        );
        let group = CheckoutGroup {
            id: group_id,
            buyer_store_id: self.request.buyer_store_id,
            cart_id: self.request.cart_id,
            created_by: self.request.user_id,
            currency: self.currency,
            totals,
            created_at: now,
        };
        Checkout { group, orders }
    }
}

impl VendorPart {
    fn judge(
        vendor_store_id: VendorStoreId,
        lines: &[&CartLine],
        positions: &HashMap<ProductId, i32>,
        discount: Option<DiscountTerms>,
        circumstances: Circumstances<'_>,
    ) -> Self {
        let store = circumstances.vendors.get(&vendor_store_id);
        let ineligible = match store {
            None => Some(VendorIneligible::VendorLicenseInvalid),
            Some(store) => EligibleVendor::admit(store, circumstances.buyer, circumstances.now)
                .err()
                .and_then(|reasons| reasons.into_iter().min()),
        };
        let lines = lines
            .iter()
            .map(|line| PlannedLine {
                position: positions[&line.product_id],
                line: (*line).clone(),
                barred: ineligible.map(LineRejectionReason::from).or_else(|| {
                    (!circumstances.products_sold.contains(&line.product_id))
                        .then_some(LineRejectionReason::ProductUnavailable)
                }),
            })
            .collect();
        Self {
            vendor_store_id,
            vendor_name: store.map_or_else(String::new, |store| store.name.clone()),
            ineligible,
            discount,
            lines,
        }
    }

    fn violation(&self) -> Option<Violation> {
        let reason = self.ineligible?;
        Some(Violation::new(ViolationCode::from(reason), "/cart_id").vendor(self.vendor_store_id))
    }

    fn settle(
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
                self.ineligible.map_or(
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
