//! `/api/v1/cart`, documented.

use serde_json::{Value, json};

use crate::http::error::Code;

use super::{
    errors::answers,
    parts::{body, parameter, replayed, schema, success},
};

/// What the example freezes, of the demo catalogue (`splitcart seed`).
pub const CART_REQUEST: &str = include_str!("examples/cart_request.json");
/// What is answered.
pub const CART: &str = include_str!("examples/cart.json");

/// The route's operations.
pub fn path() -> Value {
    json!({ "get": get(), "put": put() })
}

fn get() -> Value {
    json!({
        "tags": ["cart"],
        "operationId": "getCart",
        "summary": "The active cart",
        "description": "Your store's active cart, as it was frozen. Every member of the store may \
                        look.",
        "parameters": [parameter("RequestId")],
        "responses": answers("200", success("The cart.", &schema("Cart"), CART), &[Code::NotFound]),
    })
}

fn put() -> Value {
    let mut frozen = success("The cart, priced and frozen.", &schema("Cart"), CART);
    frozen["headers"]["Idempotency-Replayed"] = replayed();
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
                        come at once.\n\nTakes the role owner, admin, manager or ops.",
        "parameters": [parameter("IdempotencyKey"), parameter("RequestId")],
        "requestBody": body("CartRequest", CART_REQUEST),
        "responses": answers("200", frozen, &[
            Code::ValidationError,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::IdempotencyKeyReused,
            Code::IdempotencyInProgress,
            Code::CartInvalid,
            Code::Overloaded,
        ]),
    })
}
