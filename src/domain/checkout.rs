//! Checkout: a frozen cart is split by vendor, its demands are handed out, and the outcomes are
//! settled into orders (PF-078, PF-080). Partial success is per line.
//!
//! Owns the plan of the whole cart; what becomes of each vendor's part is in `vendor_part`.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    cart::{CartRecord, Totals, group_by_vendor},
    ids::{BuyerStoreId, CartId, CheckoutGroupId, ProductId, StoreId, UserId, VendorStoreId},
    order::{Checkout, CheckoutGroup, PaymentMethod},
    reservation::{Demand, ReservationOutcome},
    store::{EligibleBuyer, Store},
    vendor_part::VendorPart,
    violation::{Violation, ViolationCode},
};

/// What a buyer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The cart to buy.
    pub cart_id: CartId,
    /// The store to buy for, by the caller's token: the gate has yet to say whether it may.
    pub store_id: StoreId,
    /// The person who asks, by the token.
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
    buyer_store_id: BuyerStoreId,
    currency: String,
    parts: Vec<VendorPart>,
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
        if parts.is_empty() {
            violations.push(Violation::new(ViolationCode::CartEmpty, "/cart_id"));
        } else if parts.iter().all(VendorPart::is_ineligible) {
            violations.extend(parts.iter().flat_map(VendorPart::violations));
        }
        if violations.is_empty() {
            Ok(Self {
                request,
                buyer_store_id: circumstances.buyer.id,
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
            let demands = part.demands();
            (!demands.is_empty()).then_some((part.vendor_store_id(), demands))
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
            buyer_store_id: self.buyer_store_id,
            cart_id: self.request.cart_id,
            created_by: self.request.user_id,
            currency: self.currency,
            totals,
            created_at: now,
        };
        Checkout { group, orders }
    }
}
