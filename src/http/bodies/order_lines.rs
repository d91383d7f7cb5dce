//! A line of an order, as a checkout made it or as it would make it, and why it is rejected.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        ids::ProductId,
        money::Money,
        order::{LineStatus, OrderLine},
        product::Unit,
        rejection::{LineRejectionReason, Rejection},
    },
    http::error::rejections,
};

/// A line of an order: its product, its price and its status.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewLine)]
pub struct LineBody<'a> {
    /// The product.
    product_id: ProductId,
    /// The vendor's own number for the product.
    sku: &'a str,
    /// The product's name, for people.
    title: &'a str,
    /// The unit of the quantity.
    unit: Unit,
    /// The quantity of this line. A line that is filled with what there is appears twice, once for
    /// each part.
    #[schema(minimum = 1)]
    qty: i32,
    /// Per unit, before the volume tier.
    list_price: Money,
    /// Per unit, after the tier.
    unit_price: Money,
    /// The amount that the tier takes off the whole line.
    discount: Money,
    /// Unit price x quantity; a rejected line counts in no sum.
    total: Money,
    /// The line's status: a checkout makes it `pending` (reserved) or `rejected`.
    status: LineStatus,
    /// The reason for a rejection; null where there is none.
    #[schema(required = true)]
    rejection: Option<RejectionBody>,
}

/// The reason why a line is rejected.
#[derive(Serialize, ToSchema)]
#[schema(as = Rejection)]
pub struct RejectionBody {
    /// The reason, for programs.
    reason: LineRejectionReason,
    /// The reason, for people.
    #[schema(min_length = 1)]
    message: String,
    /// The quantity that was left; only for `insufficient_inventory`.
    #[schema(required = true, minimum = 0)]
    available_qty: Option<i32>,
    /// The quantity of the line that is reserved, as a line of its own, where this is the rest of
    /// it; only with `shortage_policy: "fill"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    reserved_qty: Option<i32>,
    /// The most units that your store may have of the product; only for `purchase_limit_reached`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    limit_qty: Option<i32>,
    /// The units of them that it had before; only for `purchase_limit_reached`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    bought_qty: Option<i64>,
    /// The words of the vendor who declined the line, or of the buyer who canceled the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500, nullable = false)]
    note: Option<String>,
}

/// A line without its id.
pub(super) fn line(line: &OrderLine) -> LineBody<'_> {
    LineBody {
        product_id: line.product_id,
        sku: &line.sku,
        title: &line.title,
        unit: line.unit,
        qty: line.qty,
        list_price: line.list_price,
        unit_price: line.unit_price,
        discount: line.discount,
        total: line.total,
        status: line.status,
        rejection: line.rejection.as_ref().map(RejectionBody::from),
    }
}

impl From<&Rejection> for RejectionBody {
    fn from(rejection: &Rejection) -> Self {
        Self {
            reason: rejection.reason,
            message: rejections::sentence(rejection),
            available_qty: rejection.available_qty,
            reserved_qty: rejection.reserved_qty,
            limit_qty: rejection.limit.map(|limit| limit.limit_qty),
            bought_qty: rejection.limit.map(|limit| limit.bought_qty),
            note: rejection.note.as_ref().map(|note| note.as_str().to_owned()),
        }
    }
}
