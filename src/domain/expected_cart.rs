//! The total and the version that a buyer expects of a cart: a checkout whose cart differs is refused.

use serde::Serialize;
use utoipa::ToSchema;

use super::{cart::CartHead, money::Money, violation::Figure};

/// The expectations of a buyer. `None` expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedCart {
    pub total: Option<Money>,
    pub version: Option<i32>,
}

impl ExpectedCart {
    /// All differences between the cart and what is expected of it.
    pub(super) fn differences(self, cart: &CartHead) -> Vec<CartChange> {
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

/// One thing in which a cart is not what a buyer expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CartChange {
    /// The place of the expectation in the request, as a JSON pointer: `/expected_total` or
    /// `/expected_version`.
    pub path: &'static str,
    /// The value that the buyer expects.
    pub expected: Figure,
    /// The value that the cart has.
    pub actual: Figure,
}

impl CartChange {
    /// A difference at a place of the request.
    pub fn new(path: &'static str, expected: impl Into<Figure>, actual: impl Into<Figure>) -> Self {
        Self {
            path,
            expected: expected.into(),
            actual: actual.into(),
        }
    }
}
