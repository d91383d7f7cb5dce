//! A line of a cart: as it is sent, and as it is priced and frozen.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        cart::{CartLine, LINES_MAX, RequestedItem},
        ids::{ProductId, VendorStoreId},
        money::{Money, Percent},
        product::Unit,
    },
    http::json::{FromJson, Node, Shape, request_body},
};

use super::fields::{Amount, Positive};

request_body! {
    /// A line of a cart.
    #[schema(as = CartItemRequest)]
    pub struct ItemRequestBody {
        /// The product.
        product_id: ProductId,
        /// The vendor whose product it is.
        vendor_store_id: VendorStoreId,
        /// The quantity.
        #[schema(value_type = i32, minimum = 1, maximum = 2_147_483_647)]
        qty: Positive,
        /// The price after the volume tier that the buyer was shown.
        unit_price: Option<Amount>,
        /// The line's total that the buyer was shown.
        line_total: Option<Amount>,
    }
}

/// 1 to [`LINES_MAX`] lines.
#[derive(Debug)]
pub struct Items(Vec<ItemRequestBody>);

impl FromJson for Items {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let items: Vec<_> = shape.list(node, path, LINES_MAX)?;
        if items.is_empty() {
            shape.problem(path, "must have at least one line");
            return None;
        }
        Some(Self(items))
    }
}

impl From<Items> for Vec<RequestedItem> {
    fn from(items: Items) -> Self {
        let requested = |item: ItemRequestBody| RequestedItem {
            product_id: item.product_id,
            vendor_store_id: item.vendor_store_id,
            qty: item.qty.0,
            unit_price: item.unit_price.map(|amount| amount.0),
            line_total: item.line_total.map(|amount| amount.0),
        };
        items.0.into_iter().map(requested).collect()
    }
}

/// A line of a cart, as it is frozen.
#[derive(Serialize, ToSchema)]
#[schema(as = QuoteItem)]
pub struct PricedItemBody<'a> {
    /// The line's place in the request, from 0.
    #[schema(minimum = 0, maximum = 199)]
    position: usize,
    /// The product.
    product_id: ProductId,
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The vendor's own number for the product.
    sku: &'a str,
    /// The product's name, for people.
    title: &'a str,
    /// The unit of the quantity.
    unit: Unit,
    /// The address of a picture of the product.
    #[schema(required = true)]
    image_url: Option<&'a str>,
    /// The quantity.
    #[schema(minimum = 1)]
    qty: i32,
    /// The least quantity that the vendor sells at once.
    #[schema(minimum = 1)]
    moq: i32,
    /// The greatest quantity that the vendor sells at once; null without a cap.
    #[schema(required = true, minimum = 1)]
    max_qty: Option<i32>,
    /// Per unit, before the volume tier.
    list_price: Money,
    /// The least quantity of the volume tier that is applied; null where none is.
    #[schema(required = true, minimum = 1)]
    volume_discount_min_qty: Option<i32>,
    /// The percentage that this tier takes off each unit.
    #[schema(required = true)]
    volume_discount_percent: Option<Percent>,
    /// Per unit, after the tier.
    unit_price: Money,
    /// List price x quantity.
    line_subtotal: Money,
    /// The amount that the tier takes off the whole line.
    line_discount: Money,
    /// Unit price x quantity.
    line_total: Money,
}

/// A line of a cart or a quote.
pub(super) fn priced_item(position: usize, line: &CartLine) -> PricedItemBody<'_> {
    PricedItemBody {
        position,
        product_id: line.product_id,
        vendor_store_id: line.vendor_store_id,
        sku: &line.sku,
        title: &line.title,
        unit: line.unit,
        image_url: line.image_url.as_deref(),
        qty: line.qty,
        moq: line.moq,
        max_qty: line.max_qty,
        list_price: line.price.list_price,
        volume_discount_min_qty: line.price.tier.map(|tier| tier.min_qty),
        volume_discount_percent: line.price.tier.map(|tier| tier.discount_percent),
        unit_price: line.price.unit_price,
        line_subtotal: line.price.subtotal,
        line_discount: line.price.discount,
        line_total: line.price.total,
    }
}
