//! The terms on which this service sells: ways of paying, and how long prices are held.

use super::{cart::PriceHold, order::PaymentMethod};

/// The terms on which this service sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub payment_policy: PaymentPolicy,
    pub price_hold: PriceHold,
}

/// The ways of paying that this service offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentPolicy {
    CashOnly,
    CashAndAch,
}

impl PaymentPolicy {
    pub(super) const fn allows(self, method: PaymentMethod) -> bool {
        matches!(
            (self, method),
            (_, PaymentMethod::Cash) | (Self::CashAndAch, _)
        )
    }
}
