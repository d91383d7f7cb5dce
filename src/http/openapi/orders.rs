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
/// The beginning of a stream, and an event.
const STREAM: &str =
    ": open\nretry: 2000\nid: 4710\n\nid: 4711\nevent: order_decided\ndata: {\"version\":1}\n\n";
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
            query("limit", "The most orders on a page.", &json!({
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

/// The operations of `/api/v1/orders/stream`.
pub fn stream_path() -> Value {
    let stream = json!({
        "description": "The stream, as server-sent events. `event` is the type of the event, `data` the event \
                        itself as one line of JSON (its schemas are in docs/events), `id` the place to \
                        resume from. Lines that begin with a colon are heartbeats. An event `reset` says that \
                        events are missing.",
        "headers": headers(),
        "content": {
            "text/event-stream": { "schema": { "type": "string" }, "example": STREAM },
        },
    });
    let get = json!({
        "tags": ["orders"],
        "operationId": "streamOrders",
        "summary": "Your store's orders, as they happen",
        "description": "Events of your store's orders within a second: what a buyer has bought, an order for a \
                        vendor, decisions, fulfilments, cancellations, expiries, and stock that runs low. A \
                        vendor sees its own orders only. The stream ends when the token expires, after an \
                        hour at the latest, and when its reader is too slow: open it again with the last \
                        `id` in `Last-Event-ID`, and nothing is left out while the events are kept.",
        "parameters": [
            query(
                "perspective",
                "Your store's side: `buyer` or `vendor`. Without it the store's own side is taken.",
                &schema("OrderPerspective"),
            ),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": false,
                "description": "The last `id` that you have read: the stream goes on after it.",
                "schema": { "type": "string", "pattern": "^[0-9]{1,18}$" },
                "example": "4711",
            },
            parameter("RequestId"),
        ],
        "responses": answers("200", stream, &[Code::ValidationError]),
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
