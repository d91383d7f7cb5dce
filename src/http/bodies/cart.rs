//! The request and the answer of a cart.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    carts::NamedCart,
    domain::{
        cart::{CartLine, CartRequest, CartStatus, PriceHold, ShippingAddress, Totals},
        ids::{BuyerStoreId, CartId, CartItemId},
        precondition::CartTag,
    },
    http::json::request_body,
};

use super::{
    Envelope,
    cart_lines::{PricedItemBody, priced_item},
    fields::Amount,
    quote::QuoteRequestBody,
    vendor_groups::{VendorGroupBody, vendor_group},
};

request_body! {
    /// A cart to be frozen. Every figure is compared with the server's own; none is trusted.
    #[schema(as = CartRequest)]
    pub struct CartRequestBody {
        ..content: QuoteRequestBody,
        /// The figures that the buyer was shown.
        totals: TotalsRequestBody,
    }
}

request_body! {
    /// The three figures of a cart.
    #[schema(as = TotalsRequest)]
    pub struct TotalsRequestBody {
        /// The sum of list price x quantity.
        subtotal: Amount,
        /// All tier and store discounts.
        discount_total: Amount,
        /// Subtotal less discounts.
        total: Amount,
    }
}

impl From<CartRequestBody> for CartRequest {
    fn from(body: CartRequestBody) -> Self {
        Self {
            content: body.content.into(),
            totals: Totals {
                subtotal: body.totals.subtotal.0,
                discount_total: body.totals.discount_total.0,
                total: body.totals.total.0,
            },
        }
    }
}

/// A cart as the server has priced and frozen it.
#[derive(Serialize, ToSchema)]
#[schema(as = Cart)]
pub struct CartBody<'a> {
    /// The id for a checkout. It stays the same for as long as the cart is active.
    id: CartId,
    /// The buyer.
    buyer_store_id: BuyerStoreId,
    /// The cart's status.
    status: CartStatus,
    /// 1, and one more with every PUT.
    #[schema(minimum = 1)]
    version: i32,
    /// Three capital letters.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    #[serde(flatten)]
    totals: Totals,
    /// The address for the goods.
    #[schema(required = true)]
    shipping_address: Option<&'a ShippingAddress>,
    /// The lines, in the order in which they were sent.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<ItemBody<'a>>,
    /// The sums of the cart per vendor, in ascending vendor id.
    #[schema(min_items = 1)]
    vendor_groups: Vec<VendorGroupBody<'a>>,
    /// The time at which the cart was first sent.
    created_at: DateTime<Utc>,
    /// The time at which the cart was last replaced.
    updated_at: DateTime<Utc>,
    /// The time until which the cart can be bought at these prices; null if forever.
    #[schema(required = true)]
    valid_until: Option<DateTime<Utc>>,
}

/// A line of a cart, frozen: the catalogue may change, the line does not.
#[derive(Serialize, ToSchema)]
#[schema(as = CartItem)]
pub struct ItemBody<'a> {
    /// The line.
    id: CartItemId,
    #[serde(flatten)]
    line: PricedItemBody<'a>,
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

/// The cart and the version in a rendered body.
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
        line: priced_item(position, line),
    }
}
