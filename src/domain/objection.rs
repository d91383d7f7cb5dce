//! Why a checkout can't be attempted at all, or not in the way in which it was asked for. Nothing is
//! written then, and the cart stays active.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{ProductId, VendorStoreId},
    rejection::{LineRejectionReason, Rejection},
    violation::{Figure, Violation},
};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The cart's prices are held no longer.
    CartExpired {
        /// Until when they were.
        valid_until: DateTime<Utc>,
    },
    /// The cart is not what the buyer expects.
    CartChanged(Vec<CartChange>),
    /// The rules refuse it.
    Invalid(Vec<Violation>),
    /// It was to go through whole, and these lines can't.
    StockChanged(Vec<ShortLine>),
}

/// One thing in which a cart is not what a buyer expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CartChange {
    /// Where the expectation stands in the request, as a JSON pointer: `/expected_total` or
    /// `/expected_version`.
    pub path: &'static str,
    /// What the buyer expects.
    pub expected: Figure,
    /// What the cart has.
    pub actual: Figure,
}

impl CartChange {
    /// A difference.
    pub fn new(path: &'static str, expected: impl Into<Figure>, actual: impl Into<Figure>) -> Self {
        Self {
            path,
            expected: expected.into(),
            actual: actual.into(),
        }
    }
}

/// A line that can't be had whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShortLine {
    /// What.
    pub product_id: ProductId,
    /// Whose.
    pub vendor_store_id: VendorStoreId,
    /// How many were wanted.
    #[schema(minimum = 1)]
    pub qty: i32,
    /// Why not.
    pub reason: LineRejectionReason,
    /// The same as a sentence.
    #[schema(min_length = 1)]
    pub message: String,
    /// How many there were; null where stock was not what was missing.
    #[schema(required = true, minimum = 0)]
    pub available_qty: Option<i32>,
}

impl ShortLine {
    /// A line that was rejected, or would be.
    pub fn new(
        product_id: ProductId,
        vendor_store_id: VendorStoreId,
        qty: i32,
        rejection: Rejection,
    ) -> Self {
        Self {
            product_id,
            vendor_store_id,
            qty,
            reason: rejection.reason,
            message: rejection.message(),
            available_qty: rejection.available_qty,
        }
    }
}
