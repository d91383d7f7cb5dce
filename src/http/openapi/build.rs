//! The whole document, put together.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::domain::{
    expected_cart::CartChange, ids, rejection::LineRejectionReason, violation::Violation,
};

use crate::http::{
    bodies::{
        cart::{CartBody, CartRequestBody},
        checkout::{CheckoutBody, CheckoutRequestBody},
        inventory::{InventoryItemBody, StockCountAnswerBody, StockCountBody},
        moves::{CanceledGroupBody, CancellationFields, DecisionFields, FulfillmentBody},
        orders::{PageBody, PlacedOrderBody},
        preview::PreviewBody,
        quote::{QuoteBody, QuoteRequestBody},
        webhooks::{
            AcceptedBody, DeliveryBody, EndpointBody, EndpointChangeBody, EndpointSecretBody,
            NewEndpointBody,
        },
    },
    error::{Code, rejections::ShortLineBody},
    json::FieldProblem,
    paths::{
        self, CART, CART_QUOTE, CHECKOUT, CHECKOUT_GROUP, CHECKOUT_PREVIEW, GROUP_CANCELLATION,
        INVENTORY, ORDER, ORDER_CANCELLATION, ORDER_DECISION, ORDER_FULFILLMENT, ORDERS,
        ORDERS_STREAM, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINT, WEBHOOK_ENDPOINTS, WEBHOOK_REDELIVERY,
        WEBHOOK_ROTATION, WEBHOOK_TEST,
    },
};

use super::{
    cart, checkout, enumerations, errors, finish, inventory, meta, moves, orders, parts, webhooks,
};

const DESCRIPTION: &str = "\
The checkout core of a B2B marketplace: a cart is frozen on the server, split by vendor, and bought \
exactly once per Idempotency-Key.

**Try it**: the examples are of the demo catalogue. After `splitcart seed`, take a token from \
`splitcart token --buyer 1`, press *Authorize*, freeze the example's cart, and check out with the \
`id` that you get. On this page every request gets an Idempotency-Key of its own unless you type one, and \
a checkout the cart that you froze last.

**Answers.** A success is `{\"data\": …}`. An error is `{\"error\": {\"code\", \"message\", \
\"request_id\", \"details\"?}}`, also for unknown routes (404 `NOT_FOUND`) and wrong methods (405 \
`METHOD_NOT_ALLOWED`, with `Allow`), which is not repeated for every route below.

**Money** is a string with two decimals, such as `\"12.50\"`. **Ids** are UUIDs. Unknown fields are \
refused. A request that sends `Authorization`, `Content-Type`, `Idempotency-Key` or `X-Request-Id` twice is \
400. `HEAD` is answered wherever `GET` is: the same headers without a body.";

const SCHEME: &str = "\
A JWT with the claims `sub` (the person), `active_store_id` (the store they act for), `iss` \
and `exp`. It says who calls; what that person may do is read from the database.";

const KEY: &str = "\
Makes the request safe to repeat: the same key with the same body gets the first success again, to \
the byte, with `Idempotency-Replayed: true`. A fresh one per request, the same one for its \
retries. It counts for your user, store and route, and is kept as long as the operator has configured (by default \
24 hours for a cart or a stock count, 7 days for a checkout and for what is done with an order). Errors \
do not use it up.";

/// The document, for those who use the API.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let mut document = build();
        leave_out(&mut document, meta::CONTRACT);
        finish::finish(&mut document);
        serde_json::to_string_pretty(&document).expect("a document of JSON values is JSON")
    });
    &DOCUMENT
}

/// The document with the routes of its own, which no client of the API has a use for.
pub fn whole_document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let mut document = build();
        finish::finish(&mut document);
        serde_json::to_string_pretty(&document).expect("a document of JSON values is JSON")
    });
    &DOCUMENT
}

/// Leaves out all operations of a tag.
fn leave_out(document: &mut Value, tag: &str) {
    let is_of_tag = |operation: &Value| {
        let tags = operation["tags"].as_array();
        tags.is_some_and(|tags| tags.iter().any(|other| other == tag))
    };
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|_, item| {
            let mut operations = item.as_object().into_iter().flat_map(Map::values);
            !operations.any(is_of_tag)
        });
    }
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.retain(|other| other["name"] != tag);
    }
}

fn build() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "splitcart",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "security": [{ "bearer": [] }],
        "tags": [
            { "name": "cart", "description": "What a buyer is about to buy." },
            { "name": "checkout", "description": "Buying it, and what became of it." },
            { "name": "orders", "description": "What was bought, and what is to be delivered." },
            { "name": "inventory", "description": "What a vendor has of its products." },
            { "name": "webhooks", "description": "Where the events of a store are posted to." },
            { "name": meta::CONTRACT, "description": "This document." },
        ],
        "paths": {
            CART: cart::path(),
            CART_QUOTE: cart::quote_path(),
            CHECKOUT: checkout::path(),
            CHECKOUT_PREVIEW: checkout::preview_path(),
            CHECKOUT_GROUP: checkout::group_path(),
            GROUP_CANCELLATION: moves::group_cancellation_path(),
            ORDERS: orders::list_path(),
            ORDERS_STREAM: orders::stream_path(),
            ORDER: orders::path(),
            ORDER_DECISION: moves::decision_path(),
            ORDER_FULFILLMENT: moves::fulfillment_path(),
            ORDER_CANCELLATION: moves::cancellation_path(),
            INVENTORY: inventory::path(),
            WEBHOOK_ENDPOINTS: webhooks::list_path(),
            WEBHOOK_ENDPOINT: webhooks::path(),
            WEBHOOK_ROTATION: webhooks::rotation_path(),
            WEBHOOK_TEST: webhooks::test_path(),
            WEBHOOK_DELIVERIES: webhooks::deliveries_path(),
            WEBHOOK_REDELIVERY: webhooks::redelivery_path(),
            paths::OPENAPI: meta::document_path(),
            paths::DOCS: meta::page_path(),
            paths::DOCS_FILE: meta::file_path(),
        },
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": SCHEME,
                },
            },
            "parameters": parameters(),
            "responses": {
                "UnknownRoute": errors::answer(&[Code::NotFound]),
                "WrongMethod": errors::answer(&[Code::MethodNotAllowed]),
            },
            "schemas": schemas(),
        },
    })
}

fn parameters() -> Value {
    json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "required": true,
            "description": KEY,
            "schema": {
                "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$",
            },
        },
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "Replaces the active cart only if it is this version: the `ETag` of \
                            a cart's answer, several of them, or `*` for any.",
            "schema": { "type": "string" },
            "example": parts::ETAG,
        },
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "required": false,
            "description": "On `PUT`, `*` starts a cart only if there is none. On `GET`, an `ETag` \
                            that you know: 304 without a body if the cart is still that version.",
            "schema": { "type": "string" },
            "example": "*",
        },
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "required": false,
            "description": "Your own id for the request: 1 to 128 of `A-Z a-z 0-9 . _ -`. \
                            Anything else is ignored, and the request gets an id of ours.",
            "schema": { "type": "string" },
        },
        "TraceParent": {
            "name": "traceparent",
            "in": "header",
            "required": false,
            "description": "The W3C Trace Context of the request. The events that it causes carry it. A \
                            malformed one is ignored.",
            "schema": { "type": "string" },
            "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
        "CheckoutGroup": {
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The `checkout_group_id` of a checkout's answer.",
            "schema": parts::schema("CheckoutGroupId"),
        },
        "Order": {
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The `order_id` in the answer of a checkout or a list.",
            "schema": parts::schema("OrderId"),
        },
        "WebhookEndpoint": {
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The `id` of an endpoint.",
            "schema": parts::schema("WebhookEndpointId"),
        },
        "WebhookDelivery": {
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The `id` of a delivery in the list.",
            "schema": parts::schema("WebhookDeliveryId"),
        },
    })
}

fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    add::<CartBody<'_>>(&mut all);
    add::<QuoteBody<'_>>(&mut all);
    add::<CheckoutBody<'_>>(&mut all);
    add::<PreviewBody<'_>>(&mut all);
    add::<PlacedOrderBody<'_>>(&mut all);
    add::<PageBody>(&mut all);
    add::<CanceledGroupBody<'_>>(&mut all);
    add::<ids::LineItemId>(&mut all);
    add::<StockCountAnswerBody<'_>>(&mut all);
    add::<InventoryItemBody<'_>>(&mut all);
    add::<EndpointBody<'_>>(&mut all);
    add::<EndpointSecretBody<'_>>(&mut all);
    add::<DeliveryBody<'_>>(&mut all);
    add::<AcceptedBody>(&mut all);
    add::<FieldProblem>(&mut all);
    add::<Violation>(&mut all);
    add::<LineRejectionReason>(&mut all);
    add::<ids::CheckoutGroupId>(&mut all);
    add::<CartChange>(&mut all);
    add::<ShortLineBody>(&mut all);
    let answered = all.clone();
    add::<CartRequestBody>(&mut all);
    add::<QuoteRequestBody>(&mut all);
    add::<CheckoutRequestBody>(&mut all);
    add::<DecisionFields>(&mut all);
    add::<FulfillmentBody>(&mut all);
    add::<CancellationFields>(&mut all);
    add::<StockCountBody>(&mut all);
    add::<NewEndpointBody>(&mut all);
    add::<EndpointChangeBody>(&mut all);
    refuse_unknown_fields(&mut all, &answered);
    inventory::restrict(&mut all);
    // Money is a text, too: a figure may be of several kinds at once.
    if let Some(kinds) = all["Figure"]["oneOf"].as_array().cloned() {
        all["Figure"] = json!({ "anyOf": kinds, "description": all["Figure"]["description"] });
    }
    for code in Code::ALL {
        all.insert(errors::name(code), errors::error(code));
    }
    all.insert("OrderPerspective".to_owned(), enumerations::perspective());
    // Written out below: a note goes only with a rejection.
    all.remove("Verdict");
    all.insert("LineDecision".to_owned(), moves::line_decision());
    all.insert("DecisionRequest".to_owned(), moves::decision_request());
    enumerations::explain(&mut all);
    all
}

/// Requests refuse unknown fields; answers may get new ones. A schema put together by `allOf` could not
/// say so: its parts become one object.
fn refuse_unknown_fields(all: &mut Map<String, Value>, answered: &Map<String, Value>) {
    let names: Vec<_> = all
        .keys()
        .filter(|name| !answered.contains_key(*name))
        .cloned()
        .collect();
    for name in names {
        let mut schema = all[&name].clone();
        if let Some(parts) = schema["allOf"].as_array() {
            schema = merged(&schema["description"], parts, all);
        }
        if schema["type"] == "object" {
            schema["additionalProperties"] = json!(false);
        }
        all.insert(name, schema);
    }
}

/// One object with the fields of several, in their order.
fn merged(description: &Value, parts: &[Value], all: &Map<String, Value>) -> Value {
    let mut required = Vec::new();
    let mut properties = Map::new();
    for part in parts {
        let name = part["$ref"]
            .as_str()
            .and_then(|path| path.rsplit('/').next());
        let part = name.map_or(part, |name| &all[name]);
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
    }
    json!({
        "type": "object",
        "description": description,
        "required": required,
        "properties": properties,
    })
}

/// Adds a type's schema and all that it refers to.
fn add<T: ToSchema>(all: &mut Map<String, Value>) {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    for (name, schema) in found {
        let schema = serde_json::to_value(schema).expect("a schema is JSON");
        let earlier = all.insert(name.clone(), schema.clone());
        assert!(
            earlier.is_none_or(|earlier| earlier == schema),
            "two types are documented as {name}"
        );
    }
}
