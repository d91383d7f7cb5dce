//! What clients may send, written down as types: documentation only. What is read is up to the
//! strict readers in `http::carts` and `http::checkout`; `tests` holds both against each other.
#![expect(
    dead_code,
    reason = "nobody makes these: they are read by `ToSchema` only"
)]

use std::collections::BTreeSet;

use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{order::PaymentMethod, shortage_policy::ShortagePolicy};

/// A cart to be frozen. Every figure is compared with the server's own, none is believed.
#[derive(ToSchema)]
pub struct CartRequest {
    /// Three capitals; the catalogue is priced in `USD`, which is also the default.
    #[schema(pattern = "^[A-Z]{3}$", default = "USD")]
    currency: Option<String>,
    /// Where the goods are to go.
    shipping_address: Option<AddressRequest>,
    /// The lines; a product stands in one of them at most.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<ItemRequest>,
    /// Codes of vendors' discounts, one per vendor at most.
    #[schema(max_items = 200)]
    discounts: Option<BTreeSet<DiscountRequest>>,
    /// The figures that the buyer was shown.
    totals: TotalsRequest,
}

/// What a quote is asked for: a cart without `totals`.
#[derive(ToSchema)]
pub struct QuoteRequest {
    /// Three capitals; the catalogue is priced in `USD`, which is also the default.
    #[schema(pattern = "^[A-Z]{3}$", default = "USD")]
    currency: Option<String>,
    /// Where the goods are to go.
    shipping_address: Option<AddressRequest>,
    /// The lines; a product stands in one of them at most.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<ItemRequest>,
    /// Codes of vendors' discounts, one per vendor at most.
    #[schema(max_items = 200)]
    discounts: Option<BTreeSet<DiscountRequest>>,
}

/// An amount of money: digits, at most 12 before and 2 after the point.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$", example = "12.50")]
pub struct Amount(String);

/// A line of an address, without control characters.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    min_length = 1,
    max_length = 200,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
    example = "Tulsa",
)]
pub struct AddressLine(String);

/// An address, kept as it was sent.
#[derive(ToSchema)]
#[schema(as = ShippingAddressRequest)]
pub struct AddressRequest {
    /// Street and number.
    line1: AddressLine,
    /// Whatever did not fit into the first line.
    line2: Option<AddressLine>,
    /// The city.
    city: AddressLine,
    /// The state.
    state: AddressLine,
    /// The postal code.
    postal_code: AddressLine,
    /// The country.
    country: AddressLine,
}

/// A line of a cart.
#[derive(ToSchema)]
#[schema(as = CartItemRequest)]
pub struct ItemRequest {
    /// What.
    product_id: Uuid,
    /// Whose.
    vendor_store_id: Uuid,
    /// How many.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    qty: i32,
    /// The price after the volume tier that the buyer was shown.
    unit_price: Option<Amount>,
    /// The line's total that the buyer was shown.
    line_total: Option<Amount>,
}

/// A discount code of one vendor.
#[derive(ToSchema)]
pub struct DiscountRequest {
    /// Whose discount.
    vendor_store_id: Uuid,
    /// Its code, in any case; spaces at its ends do not count.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    code: String,
}

/// The three figures of a cart.
#[derive(ToSchema)]
pub struct TotalsRequest {
    /// The sum of list price x quantity.
    subtotal: Amount,
    /// All tier and store discounts.
    discount_total: Amount,
    /// Subtotal less discounts.
    total: Amount,
}

/// What is to be bought, and how it is to be paid.
#[derive(ToSchema)]
pub struct CheckoutRequest {
    /// Your store's active cart: the `id` in the answer to `PUT /api/v1/cart`.
    cart_id: Uuid,
    /// `cash` is the default; `ach` only where the operator offers it.
    payment_method: Option<PaymentMethod>,
    /// What is to become of a line that can't be had whole. `reject_line`, the default: the line is
    /// rejected, the rest goes through. `fill`: what there is of it is reserved, as a line of its own
    /// beside the rejected rest, unless that is less than the vendor sells at once (`moq`).
    /// `reject_vendor`: its vendor's order goes through whole or not at all. `all_or_nothing`: the
    /// checkout does, else it is 409 `STOCK_CHANGED`.
    shortage_policy: Option<ShortagePolicy>,
    /// The cart's total that the buyer was shown, before anything is rejected: another one is 409
    /// `CART_CHANGED`. What a checkout with rejected lines costs it does not say.
    expected_total: Option<Amount>,
    /// The cart's version that the buyer was shown: another one is 409 `CART_CHANGED`.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    expected_version: Option<i32>,
}
