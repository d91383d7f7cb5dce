//! `/api/v1/checkout`, its preview and `/api/v1/checkout-groups/{id}`, documented.

use serde_json::{Value, json};

use crate::http::error::Code;

use super::{
    errors::answers,
    parts::{body, parameter, replayed, schema, success},
};

/// The example's request.
pub const CHECKOUT_REQUEST: &str = include_str!("examples/checkout_request.json");
/// The example's answer.
pub const CHECKOUT: &str = include_str!("examples/checkout.json");
/// The answer to a preview.
pub const PREVIEW: &str = include_str!("examples/preview.json");

/// The operations of `/api/v1/checkout`.
pub fn path() -> Value {
    let mut created = success("What was bought.", &schema("Checkout"), CHECKOUT);
    created["headers"]["Idempotency-Replayed"] = replayed();
    created["headers"]["Location"] = json!({
        "required": true,
        "description": "Where what was bought can be read again.",
        "schema": { "type": "string" },
        "example": "/api/v1/checkout-groups/01941f29-7c01-7a37-9bad-1e97eeb7f7f1",
    });
    created["links"] = json!({
        "getCheckoutGroup": {
            "operationId": "getCheckoutGroup",
            "description": "Read it again.",
            "parameters": { "path.id": "$response.body#/data/checkout_group_id" },
        },
        "getOrder": {
            "operationId": "getOrder",
            "description": "Read its first order.",
            "parameters": { "path.id": "$response.body#/data/vendor_orders/0/order_id" },
        },
    });
    let post = json!({
        "tags": ["checkout"],
        "operationId": "checkOut",
        "summary": "Buy the cart",
        "description": "Splits the cart by vendor, reserves the stock of every line and makes one \
                        order per vendor: everything in one transaction, exactly once per \
                        Idempotency-Key. A line that can't be had is in its order, rejected, with \
                        the reason; the rest goes through, unless `shortage_policy` says \
                        otherwise.\n\nTakes the role owner, admin, manager or ops.",
        "parameters": [
            parameter("IdempotencyKey"),
            parameter("TraceParent"),
            parameter("RequestId"),
        ],
        "requestBody": body("CheckoutRequest", CHECKOUT_REQUEST),
        "responses": answers("201", created, &[
            Code::ValidationError,
            Code::NotFound,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::CartAlreadyConverted,
            Code::IdempotencyKeyReused,
            Code::IdempotencyInProgress,
            Code::CartChanged,
            Code::CartExpired,
            Code::StockChanged,
            Code::CheckoutInvalid,
            Code::Overloaded,
        ]),
    });
    json!({ "post": post })
}

/// The operations of `/api/v1/checkout/preview`.
pub fn preview_path() -> Value {
    let foreseen = success("What would be bought.", &schema("Preview"), PREVIEW);
    let post = json!({
        "tags": ["checkout"],
        "operationId": "previewCheckout",
        "summary": "What buying the cart would come to",
        "description": "The same body as a checkout, the same rules and refusals, judged by the \
                        stock there is now: nothing is written, reserved or locked, so somebody \
                        else may be faster. Needs no key. Every member of the store may look.",
        "parameters": [parameter("RequestId")],
        "requestBody": body("CheckoutRequest", CHECKOUT_REQUEST),
        "responses": answers("200", foreseen, &[
            Code::ValidationError,
            Code::NotFound,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::CartAlreadyConverted,
            Code::CartChanged,
            Code::CartExpired,
            Code::StockChanged,
            Code::CheckoutInvalid,
        ]),
    });
    json!({ "post": post })
}

/// The operations of `/api/v1/checkout-groups/{id}`.
pub fn group_path() -> Value {
    let found = success("What was bought.", &schema("Checkout"), CHECKOUT);
    let get = json!({
        "tags": ["checkout"],
        "operationId": "getCheckoutGroup",
        "summary": "What a checkout created",
        "description": "The same as the checkout answered, as it stands now. Every member of the \
                        store may look.",
        "parameters": [parameter("CheckoutGroup"), parameter("RequestId")],
        "responses": answers("200", found, &[Code::ValidationError, Code::NotFound]),
    });
    json!({ "get": get })
}
