//! `/api/v1/orders` and `/api/v1/orders/{id}`, documented.

use serde_json::{Value, json};

use crate::http::{
    error::Code,
    orders::{LIMIT_DEFAULT, LIMIT_MAX},
};

use super::{
    errors::answers,
    parts::{headers, parameter, query, schema, success, value},
};

/// The answer to a list.
pub const ORDERS: &str = include_str!("examples/orders.json");
/// The answer to one order.
pub const ORDER: &str = include_str!("examples/order.json");

/// The operations of `/api/v1/orders`.
pub fn list_path() -> Value {
    let envelope = json!({
        "type": "object",
        "required": ["data", "page"],
        "properties": {
            "data": {
                "type": "array",
                "maxItems": LIMIT_MAX,
                "items": schema("PlacedOrder"),
            },
            "page": schema("Page"),
        },
    });
    let page = json!({
        "description": "A page of orders.",
        "headers": headers(),
        "content": { "application/json": { "schema": envelope, "example": value(ORDERS) } },
        "links": {
            "nextPage": {
                "operationId": "listOrders",
                "description": "Read on.",
                "parameters": { "query.cursor": "$response.body#/page/next_cursor" },
            },
        },
    });
    let get = json!({
        "tags": ["orders"],
        "operationId": "listOrders",
        "summary": "Your store's orders",
        "description": "Newest first, a page at a time: ask for the next one with `cursor` until \
                        `next_cursor` is null. A page may have fewer orders than `limit`, or none, \
                        although there is another one: where `status` is rare, a page is what was \
                        found of it among the next few thousand orders. Orders that are placed meanwhile stand before \
                        what was read: no page shows an order twice. Every member of the store \
                        may look; a buyer's store must still be one that may buy.",
        "parameters": [
            query(
                "perspective",
                "The orders that your store has placed (`buyer`) or is to fulfil (`vendor`). \
                 Without it the store's own side is taken.",
                &schema("OrderPerspective"),
            ),
            query("status", "Only orders that stand there.", &schema("OrderStatus")),
            query("limit", "How many orders a page has at most.", &json!({
                "type": "integer",
                "minimum": 1,
                "maximum": LIMIT_MAX,
                "default": LIMIT_DEFAULT,
            })),
            query(
                "cursor",
                "The `next_cursor` of a page, as it was answered.",
                &json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{32}$" }),
            ),
            parameter("RequestId"),
        ],
        "responses": answers("200", page, &[Code::ValidationError]),
    });
    json!({ "get": get })
}

/// The operations of `/api/v1/orders/{id}`.
pub fn path() -> Value {
    let found = success("The order.", &schema("PlacedOrder"), ORDER);
    let get = json!({
        "tags": ["orders"],
        "operationId": "getOrder",
        "summary": "One order",
        "description": "As it stands now, for its buyer and its vendor. Every member of the store \
                        may look.",
        "parameters": [parameter("Order"), parameter("RequestId")],
        "responses": answers("200", found, &[Code::ValidationError, Code::NotFound]),
    });
    json!({ "get": get })
}
