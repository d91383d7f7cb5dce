//! Every reason for which a checkout is refused. Nothing is written then, the cart stays active and the
//! Idempotency-Key stays free.

use chrono::{DateTime, Utc};

use super::{
    caller::Forbidden, expected_cart::CartChange, ids::CheckoutGroupId, rejection::ShortLine,
    violation::Violation,
};

/// The reason for which a checkout is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The caller may not check out for this store.
    Forbidden(Forbidden),
    /// The key was used for another request.
    KeyReused,
    /// The buyer has no such cart.
    CartNotFound,
    /// The cart was bought under another key; this is what that checkout created.
    CartAlreadyConverted(CheckoutGroupId),
    /// The time for which the cart's prices are held is over.
    CartExpired {
        /// The end of that time.
        valid_until: DateTime<Utc>,
    },
    /// The cart is not the one that the buyer expects.
    CartChanged(Vec<CartChange>),
    /// The checkout breaks rules: all of them are listed.
    Invalid(Vec<Violation>),
    /// The checkout is all or nothing, and these lines can't be had whole.
    StockChanged(Vec<ShortLine>),
}
