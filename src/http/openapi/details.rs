//! What some errors tell beside their message, written down as types: documentation only.
#![expect(
    dead_code,
    reason = "nobody makes these: they are read by `ToSchema` only"
)]

use utoipa::ToSchema;

use crate::domain::{
    ids::{ProductId, VendorStoreId},
    order::LineRejectionReason,
    violation::Figure,
};

/// One thing that is another than the buyer expected.
#[derive(ToSchema)]
pub struct CartChange {
    /// A JSON pointer into the request: `/expected_total` or `/expected_version`.
    path: String,
    /// What was sent.
    expected: Figure,
    /// What it is.
    actual: Figure,
}

/// A line that can't be had as it was asked for.
#[derive(ToSchema)]
pub struct ShortLine {
    /// What.
    product_id: ProductId,
    /// Whose.
    vendor_store_id: VendorStoreId,
    /// How many were asked for.
    #[schema(minimum = 1)]
    qty: i32,
    /// Why not.
    reason: LineRejectionReason,
    /// What there is; only for `insufficient_inventory`.
    #[schema(required = true, minimum = 0)]
    available_qty: Option<i32>,
}
