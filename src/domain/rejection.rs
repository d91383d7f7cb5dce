//! The reasons for which lines and whole orders are rejected, at checkout and afterwards.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{ProductId, VendorStoreId},
    note::Note,
    purchase_limit::LimitReached,
};

/// The reason for which a line was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LineRejectionReason {
    InsufficientInventory,
    ProductUnavailable,
    VendorLicenseInvalid,
    VendorSubscriptionInactive,
    VendorStateMismatch,
    /// Another line of the vendor could not be had whole, and the buyer wanted all of them or none.
    VendorOrderIncomplete,
    /// The buyer would have had more of the product than it may.
    PurchaseLimitReached,
    /// The vendor has decided against the line.
    VendorRejected,
    /// The buyer has canceled the order.
    OrderCanceled,
    /// The vendor has not decided in time.
    OrderExpired,
}

impl LineRejectionReason {
    /// All reasons, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::InsufficientInventory,
        Self::ProductUnavailable,
        Self::VendorLicenseInvalid,
        Self::VendorSubscriptionInactive,
        Self::VendorStateMismatch,
        Self::VendorOrderIncomplete,
        Self::PurchaseLimitReached,
        Self::VendorRejected,
        Self::OrderCanceled,
        Self::OrderExpired,
    ];
}

/// The reason for which a whole order was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OrderRejectionReason {
    VendorLicenseInvalid,
    VendorSubscriptionInactive,
    VendorStateMismatch,
    NoLineReserved,
    /// The vendor has decided against all lines.
    VendorRejected,
}

/// A rejected line's reason, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: LineRejectionReason,
    /// The stock that was left for this line; only for `insufficient_inventory`.
    pub available_qty: Option<i32>,
    /// The units of the cart's line that were reserved, as a line of their own, if this is the rest of it.
    pub reserved_qty: Option<i32>,
    /// The fewest units that the vendor sells at once, if some are left but fewer than that.
    pub moq: Option<i32>,
    /// The purchase limit; only for `purchase_limit_reached`.
    pub limit: Option<LimitReached>,
    /// The words of the person who ended the line.
    pub note: Option<Note>,
}

impl Rejection {
    /// The rejection of a whole line, for a reason that has nothing to do with stock.
    pub const fn because(reason: LineRejectionReason) -> Self {
        Self {
            reason,
            available_qty: None,
            reserved_qty: None,
            moq: None,
            limit: None,
            note: None,
        }
    }

    /// The rejection of a whole line because too few units were left. No fewer than `moq` are sold at once.
    pub fn short(available_qty: i32, moq: i32) -> Self {
        Self {
            available_qty: Some(available_qty),
            moq: (1..moq).contains(&available_qty).then_some(moq),
            ..Self::because(LineRejectionReason::InsufficientInventory)
        }
    }

    /// The rejection of a whole line that its purchase limit does not allow.
    pub const fn over_limit(limit: LimitReached) -> Self {
        let mut rejection = Self::because(LineRejectionReason::PurchaseLimitReached);
        rejection.limit = Some(limit);
        rejection
    }

    /// The rejection of the rest of a line that was filled up to its purchase limit.
    pub fn rest_over_limit(limit: LimitReached) -> Self {
        Self {
            reserved_qty: Some(limit.left_qty()),
            ..Self::over_limit(limit)
        }
    }

    /// The rejection of the rest of a line that was filled in part.
    pub fn rest(available_qty: i32) -> Self {
        Self {
            available_qty: Some(available_qty),
            reserved_qty: Some(available_qty),
            ..Self::because(LineRejectionReason::InsufficientInventory)
        }
    }
}

/// A line that can't be had whole, of a checkout that is all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLine {
    pub product_id: ProductId,
    pub vendor_store_id: VendorStoreId,
    /// The units that were wanted.
    pub qty: i32,
    /// The reason for which they can't be had.
    pub rejection: Rejection,
}
