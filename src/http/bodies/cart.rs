//! How a cart looks to a client.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    carts::NamedCart,
    domain::{
        cart::{
            CartLine, CartStatus, GrantedDiscount, PriceHold, ShippingAddress, Totals, VendorGroup,
        },
        ids::{BuyerStoreId, CartId, CartItemId, ProductId, VendorStoreId},
        money::{Money, Percent},
        precondition::CartTag,
        pricing::{DiscountKind, DiscountTerms},
        product::Unit,
    },
};

use super::Envelope;

/// A cart as the server has priced and frozen it.
#[derive(Serialize, ToSchema)]
#[schema(as = Cart)]
pub struct CartBody<'a> {
    /// What a checkout names. The same as long as the cart is active.
    id: CartId,
    /// Whose cart it is.
    buyer_store_id: BuyerStoreId,
    /// Where it stands.
    status: CartStatus,
    /// 1, and one more with every PUT.
    #[schema(minimum = 1)]
    version: i32,
    /// Three capitals.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    #[serde(flatten)]
    totals: Totals,
    /// Where the goods are to go.
    #[schema(required = true)]
    shipping_address: Option<&'a ShippingAddress>,
    /// The lines, in the order in which they were sent.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<ItemBody<'a>>,
    /// What the cart comes to per vendor, in ascending vendor id.
    #[schema(min_items = 1)]
    vendor_groups: Vec<VendorGroupBody<'a>>,
    /// When it was first sent.
    created_at: DateTime<Utc>,
    /// When it was last replaced.
    updated_at: DateTime<Utc>,
    /// Until when it can be bought at these prices; null if for ever.
    #[schema(required = true)]
    valid_until: Option<DateTime<Utc>>,
}

/// A line of a cart, frozen: the catalogue may change, this does not.
#[derive(Serialize, ToSchema)]
#[schema(as = CartItem)]
pub struct ItemBody<'a> {
    /// The line.
    id: CartItemId,
    /// Its place in the cart, from 0.
    #[schema(minimum = 0, maximum = 199)]
    position: usize,
    /// What.
    product_id: ProductId,
    /// Whose.
    vendor_store_id: VendorStoreId,
    /// The vendor's own number for it.
    sku: &'a str,
    /// Its name, for people.
    title: &'a str,
    /// What one unit of quantity is.
    unit: Unit,
    /// Where a picture of it is.
    #[schema(required = true)]
    image_url: Option<&'a str>,
    /// How many.
    #[schema(minimum = 1)]
    qty: i32,
    /// The least quantity that was sold at once.
    #[schema(minimum = 1)]
    moq: i32,
    /// The greatest quantity that was sold at once; null without a cap.
    #[schema(required = true, minimum = 1)]
    max_qty: Option<i32>,
    /// Per unit, before the volume tier.
    list_price: Money,
    /// From how many on the tier holds that was applied; null where none was.
    #[schema(required = true, minimum = 1)]
    volume_discount_min_qty: Option<i32>,
    /// What that tier takes off each unit.
    #[schema(required = true)]
    volume_discount_percent: Option<Percent>,
    /// Per unit, after the tier.
    unit_price: Money,
    /// List price x quantity.
    line_subtotal: Money,
    /// What the tier takes off the whole line.
    line_discount: Money,
    /// Unit price x quantity.
    line_total: Money,
}

/// One vendor's part of a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartVendorGroup)]
pub struct VendorGroupBody<'a> {
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The vendor's name, for people.
    vendor_name: &'a str,
    #[serde(flatten)]
    totals: Totals,
    /// The vendor's discount, if one was granted.
    #[schema(required = true)]
    store_discount: Option<StoreDiscountBody<'a>>,
}

/// A vendor's discount, granted and frozen.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreDiscount)]
pub struct StoreDiscountBody<'a> {
    /// Its code, in the vendor's spelling.
    code: &'a str,
    /// Its name, for people.
    title: &'a str,
    /// How `value` is to be read.
    kind: DiscountKind,
    /// A percentage or an amount of money.
    #[schema(value_type = String, pattern = r"^[0-9]+(\.[0-9]{1,4})?$", example = "10")]
    value: DiscountTerms,
    /// What it took off this cart.
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

/// Which version of which cart a rendered body tells of.
pub fn tag(body: &[u8]) -> Option<CartTag> {
    #[derive(Deserialize)]
    struct Told {
        data: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        id: CartId,
        version: i32,
    }
    let Told { data } = serde_json::from_slice(body).ok()?;
    Some(CartTag {
        id: data.id,
        version: data.version,
    })
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

pub(super) fn vendor_group<'a>(
    group: VendorGroup<'a>,
    name: Option<&'a String>,
) -> VendorGroupBody<'a> {
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
