//! `/api/v1/cart` and its quote, documented.

use serde_json::{Value, json};

use crate::http::error::Code;

use super::{
    errors::answers,
    parts::{body, etag, headers, parameter, replayed, schema, success},
};

/// The example's request, of the demo catalogue (`splitcart seed`).
pub const CART_REQUEST: &str = include_str!("examples/cart_request.json");
/// The example's answer.
pub const CART: &str = include_str!("examples/cart.json");

/// The request of the example's quote: the same without totals.
pub const QUOTE_REQUEST: &str = include_str!("examples/quote_request.json");
/// The example's answer.
pub const QUOTE: &str = include_str!("examples/quote.json");

/// The operations of `/api/v1/cart`.
pub fn path() -> Value {
    json!({ "get": get(), "put": put() })
}

/// The operations of `/api/v1/cart/quote`.
pub fn quote_path() -> Value {
    let quoted = success("What would be frozen.", &schema("Quote"), QUOTE);
    json!({ "post": {
        "tags": ["cart"],
        "operationId": "quoteCart",
        "summary": "What a cart would come to",
        "description": "The body of a PUT without `totals`; the same prices, the same rules. 200 also \
                        where rules are broken: `violations` has all of them, and everything that can be \
                        priced is priced. Without violations, `totals` and every line's `unit_price` and \
                        `line_total` are what a PUT takes, as long as the catalogue stays as it is. \
                        Nothing is written, reserved or locked. Needs no key. Every member of the \
                        store may ask.",
        "parameters": [parameter("RequestId")],
        "requestBody": body("QuoteRequest", QUOTE_REQUEST),
        "responses": answers("200", quoted, &[
            Code::ValidationError,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
        ]),
    } })
}

fn get() -> Value {
    let mut found = success("The cart.", &schema("Cart"), CART);
    found["headers"]["ETag"] = etag();
    let mut headers = headers();
    headers.insert("ETag".to_owned(), etag());
    let mut responses = answers("200", found, &[Code::ValidationError, Code::NotFound]);
    responses["304"] = json!({
        "description": "The cart is still a version that `If-None-Match` names.",
        "headers": headers,
    });
    json!({
        "tags": ["cart"],
        "operationId": "getCart",
        "summary": "The active cart",
        "description": "Your store's active cart, as it was frozen. Every member of the store may \
                        look.",
        "parameters": [parameter("IfNoneMatch"), parameter("RequestId")],
        "responses": responses,
    })
}

fn put() -> Value {
    let mut frozen = success("The cart, priced and frozen.", &schema("Cart"), CART);
    frozen["headers"]["Idempotency-Replayed"] = replayed();
    frozen["headers"]["ETag"] = etag();
    frozen["links"] = json!({
        "checkOut": {
            "operationId": "checkOut",
            "description": "Buy this cart.",
            "requestBody": { "cart_id": "$response.body#/data/id" },
        },
        "previewCheckout": {
            "operationId": "previewCheckout",
            "description": "Ask what buying it would come to.",
            "requestBody": { "cart_id": "$response.body#/data/id" },
        },
        "getCart": { "operationId": "getCart", "description": "Look at it again." },
    });
    json!({
        "tags": ["cart"],
        "operationId": "putCart",
        "summary": "Freeze a cart",
        "description": "Replaces your store's active cart, or starts one. The server prices \
                        everything itself and compares: a cart with a wrong figure is refused, \
                        with the right one in `details.violations[].expected`. All violations \
                        come at once. `If-Match` with the `ETag` that you saw keeps two editors of \
                        one cart from overwriting each other.\n\nTakes the role owner, admin, manager or ops.",
        "parameters": [
            parameter("IdempotencyKey"),
            parameter("IfMatch"),
            parameter("IfNoneMatch"),
            parameter("RequestId"),
        ],
        "requestBody": body("CartRequest", CART_REQUEST),
        "responses": answers("200", frozen, &[
            Code::ValidationError,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::PreconditionFailed,
            Code::IdempotencyKeyReused,
            Code::IdempotencyInProgress,
            Code::CartInvalid,
            Code::Overloaded,
        ]),
    })
}
