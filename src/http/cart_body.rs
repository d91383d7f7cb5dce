//! How a cart looks to a client.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    carts::NamedCart,
    domain::{
        cart::{
            CartLine, CartStatus, GrantedDiscount, PriceHold, ShippingAddress, Totals, VendorGroup,
        },
        ids::{BuyerStoreId, CartId, CartItemId, ProductId, VendorStoreId},
        money::{Money, Percent},
        pricing::{DiscountKind, DiscountTerms},
        product::Unit,
    },
};

use super::checkout_body::Envelope;

#[derive(Serialize)]
struct CartBody<'a> {
    id: CartId,
    buyer_store_id: BuyerStoreId,
    status: CartStatus,
    version: i32,
    currency: &'a str,
    #[serde(flatten)]
    totals: Totals,
    shipping_address: Option<&'a ShippingAddress>,
    items: Vec<ItemBody<'a>>,
    vendor_groups: Vec<VendorGroupBody<'a>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    valid_until: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct ItemBody<'a> {
    id: CartItemId,
    position: usize,
    product_id: ProductId,
    vendor_store_id: VendorStoreId,
    sku: &'a str,
    title: &'a str,
    unit: Unit,
    image_url: Option<&'a str>,
    qty: i32,
    moq: i32,
    max_qty: Option<i32>,
    list_price: Money,
    volume_discount_min_qty: Option<i32>,
    volume_discount_percent: Option<Percent>,
    unit_price: Money,
    line_subtotal: Money,
    line_discount: Money,
    line_total: Money,
}

#[derive(Serialize)]
struct VendorGroupBody<'a> {
    vendor_store_id: VendorStoreId,
    vendor_name: &'a str,
    #[serde(flatten)]
    totals: Totals,
    store_discount: Option<StoreDiscountBody<'a>>,
}

#[derive(Serialize)]
struct StoreDiscountBody<'a> {
    code: &'a str,
    title: &'a str,
    kind: DiscountKind,
    value: DiscountTerms,
    amount: Money,
}

/// The body of a cart's response.
pub fn render(named: &NamedCart, price_hold: PriceHold) -> Vec<u8> {
    let NamedCart { cart, vendor_names } = named;
    let head = &cart.head;
    let body = CartBody {
        id: head.id,
        buyer_store_id: head.buyer_store_id,
        status: head.status,
        version: head.version,
        currency: &head.currency,
        totals: head.totals,
        shipping_address: head.shipping_address.as_ref(),
        items: cart
            .items
            .iter()
            .enumerate()
            .map(|(position, (id, line))| item(*id, position, line))
            .collect(),
        vendor_groups: cart
            .vendor_groups()
            .into_iter()
            .map(|group| vendor_group(group, vendor_names.get(&group.vendor_store_id)))
            .collect(),
        created_at: head.created_at,
        updated_at: head.updated_at,
        valid_until: price_hold.valid_until(head),
    };
    serde_json::to_vec(&Envelope { data: body }).expect("a cart is JSON")
}

fn item(id: CartItemId, position: usize, line: &CartLine) -> ItemBody<'_> {
    ItemBody {
        id,
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

fn vendor_group<'a>(group: VendorGroup<'a>, name: Option<&'a String>) -> VendorGroupBody<'a> {
    let discount = |granted: &'a GrantedDiscount| StoreDiscountBody {
        code: &granted.code,
        title: &granted.title,
        kind: granted.terms.kind(),
        value: granted.terms,
        amount: granted.amount,
    };
    VendorGroupBody {
        vendor_store_id: group.vendor_store_id,
        vendor_name: name.map_or("", String::as_str),
        totals: group.totals,
        store_discount: group.store_discount.map(discount),
    }
}
