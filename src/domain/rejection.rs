//! Why lines and whole orders are rejected at checkout.

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{ProductId, VendorStoreId};

/// Why a line was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LineRejectionReason {
    InsufficientInventory,
    ProductUnavailable,
    VendorLicenseInvalid,
    VendorSubscriptionInactive,
    VendorStateMismatch,
    /// Another line of the vendor could not be had whole, and the buyer wanted all or none of them.
    VendorOrderIncomplete,
}

impl LineRejectionReason {
    /// All reasons, in the order in which the documentation tells them.
    pub const ALL: [Self; 6] = [
        Self::InsufficientInventory,
        Self::ProductUnavailable,
        Self::VendorLicenseInvalid,
        Self::VendorSubscriptionInactive,
        Self::VendorStateMismatch,
        Self::VendorOrderIncomplete,
    ];
}

/// Why a whole order was rejected at checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum OrderRejectionReason {
    VendorLicenseInvalid,
    VendorSubscriptionInactive,
    VendorStateMismatch,
    NoLineReserved,
}

/// A rejected line's reason, with what was left where stock was short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: LineRejectionReason,
    /// What was available when it was this line's turn; only for `insufficient_inventory`.
    pub available_qty: Option<i32>,
    /// How many units of the cart's line were reserved, as a line of their own, where this is only the
    /// rest of it.
    pub reserved_qty: Option<i32>,
    /// The fewest that the vendor sells at once, where some are left, but fewer than that.
    pub moq: Option<i32>,
}

impl Rejection {
    /// Of a whole line, for a reason that has nothing to do with stock.
    pub const fn because(reason: LineRejectionReason) -> Self {
        Self {
            reason,
            available_qty: None,
            reserved_qty: None,
            moq: None,
        }
    }

    /// Of a whole line, because there were too few of what is sold in no fewer than `moq` at once.
    pub fn short(available_qty: i32, moq: i32) -> Self {
        Self {
            available_qty: Some(available_qty),
            moq: (1..moq).contains(&available_qty).then_some(moq),
            ..Self::because(LineRejectionReason::InsufficientInventory)
        }
    }

    /// Of the rest of a line that was filled with what there was.
    pub const fn rest(available_qty: i32) -> Self {
        Self {
            available_qty: Some(available_qty),
            reserved_qty: Some(available_qty),
            ..Self::because(LineRejectionReason::InsufficientInventory)
        }
    }
}

/// A line that can't be had whole, of a checkout that is all or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortLine {
    /// The product.
    pub product_id: ProductId,
    /// Its vendor.
    pub vendor_store_id: VendorStoreId,
    /// The units that were wanted.
    pub qty: i32,
    /// The reason for which it can't be had whole.
    pub rejection: Rejection,
}
