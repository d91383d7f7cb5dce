//! Checkout: a frozen cart is split by vendor, its demands are handed out, and the outcomes are
//! settled into orders (PF-078, PF-080). Partial success is per line.
//!
//! Owns the plan of the whole cart; what becomes of each vendor's part is in `vendor_part`.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    cart::{CartHead, CartRecord, PriceHold, Totals, group_by_vendor},
    ids::{BuyerStoreId, CartId, CheckoutGroupId, ProductId, StoreId, UserId, VendorStoreId},
    money::Money,
    objection::{CartChange, Objection, ShortLine},
    order::{Checkout, CheckoutGroup, PaymentMethod},
    reservation::{Bid, OfBid, ShortagePolicy},
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
    /// What is to become of lines that can't be had whole.
    pub shortage_policy: ShortagePolicy,
    /// What the buyer has seen.
    pub expected: ExpectedCart,
}

/// A cart as it is asked for: its id, and the store that asks. Another store's cart is as good as none: it
/// is neither locked nor queued for.
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

/// What a buyer takes the cart to be; what is `None` may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedCart {
    /// Its total.
    pub total: Option<Money>,
    /// Its version.
    pub version: Option<i32>,
}

impl ExpectedCart {
    fn differences(self, cart: &CartHead) -> Vec<CartChange> {
        let total = self
            .total
            .filter(|expected| *expected != cart.totals.total)
            .map(|expected| CartChange::new("/expected_total", expected, cart.totals.total));
        let version = self
            .version
            .filter(|expected| *expected != cart.version)
            .map(|expected| CartChange::new("/expected_version", expected, cart.version));
        total.into_iter().chain(version).collect()
    }
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

/// On which terms this service sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Which ways of paying are offered.
    pub payment_policy: PaymentPolicy,
    /// How long a frozen cart can be bought.
    pub price_hold: PriceHold,
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
    /// On which terms.
    pub terms: Terms,
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
    /// Why the checkout can't be attempted at all: the cart's prices are held no longer, it is not
    /// what the buyer expects, the way of paying is not offered, or no vendor may sell any more.
    pub fn draw_up(
        request: CheckoutRequest,
        cart: CartRecord,
        circumstances: Circumstances<'_>,
    ) -> Result<Self, Objection> {
        let terms = circumstances.terms;
        if let Some(valid_until) = terms.price_hold.ended(&cart.head, circumstances.now) {
            return Err(Objection::CartExpired { valid_until });
        }
        let changes = request.expected.differences(&cart.head);
        if !changes.is_empty() {
            return Err(Objection::CartChanged(changes));
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
        let parts: Vec<_> = group_by_vendor(cart.items.iter().map(|(_, line)| line))
            .into_iter()
            .map(|(vendor, lines)| {
                let discount = cart
                    .discounts
                    .iter()
                    .find(|it| it.vendor_store_id == vendor);
                let discount_terms = discount.map(|granted| granted.terms);
                let policy = request.shortage_policy;
                VendorPart::judge(
                    vendor,
                    &lines,
                    &positions,
                    discount_terms,
                    policy,
                    circumstances,
                )
            })
            .collect();
        if parts.is_empty() {
            violations.push(Violation::new(ViolationCode::CartEmpty, "/cart_id"));
        } else if parts.iter().all(VendorPart::is_ineligible) {
            violations.extend(parts.iter().flat_map(VendorPart::violations));
        }
        if !violations.is_empty() {
            return Err(Objection::Invalid(violations));
        }
        Ok(Self {
            request,
            buyer_store_id: circumstances.buyer.id,
            currency: cart.head.currency,
            parts,
        })
    }

    /// What is to be reserved, by vendor in ascending id; a product appears once at most.
    pub fn bid(&self) -> Bid {
        Bid {
            policy: self.request.shortage_policy,
            demands: self.parts.iter().flat_map(VendorPart::demands).collect(),
            is_complete: self.parts.iter().all(VendorPart::is_unbarred),
        }
    }

    /// How many line items it has.
    pub fn lines(&self) -> usize {
        self.parts.iter().map(VendorPart::lines).sum()
    }

    /// Turns the outcomes of the reservation into orders.
    ///
    /// Figures are computed over the reserved lines only; a store discount once granted is not
    /// withdrawn because a line was rejected.
    ///
    /// # Errors
    /// It was to go through whole and can't: nothing was reserved.
    ///
    /// # Panics
    /// A demand has no outcome, something is reserved of what is refused, or the figures do not add up:
    /// all of them are bugs of ours.
    pub fn settle(
        self,
        outcomes: &OfBid,
        new_id: &mut dyn FnMut() -> Uuid,
        now: DateTime<Utc>,
    ) -> Result<Checkout, Objection> {
        self.refuse_if_incomplete(outcomes)?;
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
        Ok(Checkout { group, orders })
    }

    fn refuse_if_incomplete(&self, outcomes: &OfBid) -> Result<(), Objection> {
        if self.request.shortage_policy != ShortagePolicy::AllOrNothing {
            return Ok(());
        }
        let parts = self.parts.iter();
        let short: Vec<ShortLine> = parts.flat_map(|part| part.short_lines(outcomes)).collect();
        if short.is_empty() {
            return Ok(());
        }
        assert!(
            outcomes.values().all(|outcome| !outcome.is_reserved()),
            "nothing is reserved for who is refused"
        );
        Err(Objection::StockChanged(short))
    }
}
