//! Checkout: a frozen cart is split by vendor, its demands are handed out, and the outcomes are
//! settled into orders (PF-078, PF-080). Partial success is per line.
//!
//! Owns the plan of the whole cart. The part of one vendor is planned and settled in `vendor_plan`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    cart::{CartRecord, Totals, group_by_vendor},
    expected_cart::ExpectedCart,
    ids::{BuyerStoreId, CartId, CheckoutGroupId, ProductId, StoreId, UserId},
    order::{Checkout, CheckoutGroup, PaymentMethod},
    plan_inputs::PlanInputs,
    refusal::Refusal,
    rejection::ShortLine,
    reservation::{Bid, BidOutcomes},
    shortage_policy::ShortagePolicy,
    vendor_plan::VendorPlan,
    violation::{Violation, ViolationCode},
};

/// A buyer's request to buy a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    pub cart_id: CartId,
    /// The store to buy for, by the caller's token. The gate has yet to decide whether it may buy.
    pub store_id: StoreId,
    /// The person who asks, by the token.
    pub user_id: UserId,
    pub payment_method: PaymentMethod,
    pub shortage_policy: ShortagePolicy,
    /// The cart that the buyer has seen.
    pub expected: ExpectedCart,
}

/// A cart's id together with the store that asks for it. Another store's cart counts as none: no lock
/// is taken on it, and no request queues for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskedCart {
    /// The cart.
    pub id: CartId,
    /// The store that asks for it.
    pub store_id: StoreId,
}

impl CheckoutRequest {
    /// The cart that is asked for.
    pub const fn asked_cart(&self) -> AskedCart {
        AskedCart {
            id: self.cart_id,
            store_id: self.store_id,
        }
    }
}

/// A cart split by vendor, ready to have its stock reserved.
#[derive(Clone, Debug)]
pub struct CheckoutPlan {
    request: CheckoutRequest,
    buyer_store_id: BuyerStoreId,
    currency: String,
    /// The vendors ascend by id.
    vendors: Vec<VendorPlan>,
}

impl CheckoutPlan {
    /// Splits a cart by vendor and checks every vendor and product again.
    ///
    /// MOQ and price are the snapshot's: a later change in the catalogue rejects nothing.
    ///
    /// # Errors
    /// The time for which prices are held is over, the cart is not what the buyer expects, the way of
    /// paying is not offered, or no vendor may sell any more.
    pub fn for_cart(
        request: CheckoutRequest,
        cart: CartRecord,
        inputs: PlanInputs<'_>,
    ) -> Result<Self, Refusal> {
        let terms = inputs.terms;
        if let Some(valid_until) = terms.price_hold.ended(&cart.head, inputs.now) {
            return Err(Refusal::CartExpired { valid_until });
        }
        let changes = request.expected.differences(&cart.head);
        if !changes.is_empty() {
            return Err(Refusal::CartChanged(changes));
        }
        let mut violations = Vec::new();
        if !terms.payment_policy.allows(request.payment_method) {
            violations.push(Violation::new(
                ViolationCode::PaymentMethodNotAllowed,
                "/payment_method",
            ));
        }
        let positions: HashMap<ProductId, i32> = (0..)
            .zip(&cart.items)
            .map(|(position, (_, line))| (line.product_id, position))
            .collect();
        let vendors: Vec<_> = group_by_vendor(cart.items.iter().map(|(_, line)| line))
            .into_iter()
            .map(|(vendor, lines)| {
                let discount = cart
                    .discounts
                    .iter()
                    .find(|granted| granted.vendor_store_id == vendor);
                let discount_terms = discount.map(|granted| granted.terms);
                let policy = request.shortage_policy;
                VendorPlan::new(vendor, &lines, &positions, discount_terms, policy, inputs)
            })
            .collect();
        if vendors.is_empty() {
            violations.push(Violation::new(ViolationCode::CartEmpty, "/cart_id"));
        } else if vendors.iter().all(VendorPlan::is_ineligible) {
            violations.extend(vendors.iter().flat_map(VendorPlan::violations));
        }
        if !violations.is_empty() {
            return Err(Refusal::Invalid(violations));
        }
        Ok(Self {
            request,
            buyer_store_id: inputs.buyer.id,
            currency: cart.head.currency,
            vendors,
        })
    }

    /// The demands of all lines that can be reserved, by vendor in ascending id. A product appears once at
    /// most.
    pub fn bid(&self) -> Bid {
        Bid {
            policy: self.request.shortage_policy,
            demands: self.vendors.iter().flat_map(VendorPlan::demands).collect(),
            is_complete: self.vendors.iter().all(VendorPlan::is_unbarred),
        }
    }

    /// The number of line items.
    pub fn lines(&self) -> usize {
        self.vendors.iter().map(VendorPlan::lines).sum()
    }

    /// Turns the outcomes of the reservation into orders.
    ///
    /// Figures are computed over the reserved lines only; a store discount once granted is not
    /// withdrawn because a line was rejected.
    ///
    /// # Errors
    /// The checkout is all or nothing and can't be had whole: nothing was reserved.
    ///
    /// # Panics
    /// A demand has no outcome, something is reserved for a checkout that is refused, or the figures do
    /// not add up: all of them are bugs of ours.
    pub fn settle(
        self,
        outcomes: &BidOutcomes,
        new_id: &mut dyn FnMut() -> Uuid,
        now: DateTime<Utc>,
    ) -> Result<Checkout, Refusal> {
        self.refuse_if_incomplete(outcomes)?;
        let method = self.request.payment_method;
        let group_id = CheckoutGroupId::new(new_id());
        let orders: Vec<_> = self
            .vendors
            .into_iter()
            .map(|vendor| vendor.settle(method, outcomes, new_id))
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
        Ok(Checkout { group, orders })
    }

    fn refuse_if_incomplete(&self, outcomes: &BidOutcomes) -> Result<(), Refusal> {
        if self.request.shortage_policy != ShortagePolicy::AllOrNothing {
            return Ok(());
        }
        let vendors = self.vendors.iter();
        let short: Vec<ShortLine> = vendors
            .flat_map(|vendor| vendor.short_lines(outcomes))
            .collect();
        if short.is_empty() {
            return Ok(());
        }
        assert!(
            outcomes.values().all(|outcome| !outcome.is_reserved()),
            "nothing is reserved for who is refused"
        );
        Err(Refusal::StockChanged(short))
    }
}
