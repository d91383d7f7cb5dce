//! `/api/v1/inventory`, documented.

use serde_json::{Map, Value, json};

use crate::http::{
    error::Code,
    inventory::{LIMIT_DEFAULT, LIMIT_MAX},
};

use super::{
    errors::answers,
    parts::{body, headers, parameter, query, replayed, schema, success, value},
};

/// The example's request, of the demo catalogue (`splitcart seed`).
pub const COUNT_REQUEST: &str = include_str!("examples/stock_count_request.json");
/// The example's answer.
pub const COUNT: &str = include_str!("examples/stock_count.json");
/// The answer to a list.
pub const INVENTORY: &str = include_str!("examples/inventory.json");

/// The operations of `/api/v1/inventory`.
pub fn path() -> Value {
    json!({ "get": get(), "put": put() })
}

/// Adds to the schema of an item which of its fields belong together: its type can't say that. A field that
/// is null counts as missing.
pub fn restrict(schemas: &mut Map<String, Value>) {
    let given = |name: &str| {
        json!({
            "required": [name],
            "properties": { name: { "not": { "type": "null" } } },
        })
    };
    let quantities = ["on_hand_qty", "available_qty", "delta_qty"].map(given);
    let mut ways = quantities.to_vec();
    ways.push(json!({
        "allOf": [given("low_stock_threshold"), { "not": { "anyOf": quantities } }],
    }));
    schemas["StockItemRequest"]["allOf"] = json!([
        { "oneOf": [given("product_id"), given("sku")] },
        { "oneOf": ways },
    ]);
}

fn get() -> Value {
    let envelope = json!({
        "type": "object",
        "required": ["data", "page"],
        "properties": {
            "data": {
                "type": "array",
                "maxItems": LIMIT_MAX,
                "items": schema("InventoryItem"),
            },
            "page": schema("Page"),
        },
    });
    let page = json!({
        "description": "A page of stock.",
        "headers": headers(),
        "content": { "application/json": { "schema": envelope, "example": value(INVENTORY) } },
        "links": {
            "nextPage": {
                "operationId": "listInventory",
                "description": "Read on.",
                "parameters": { "query.cursor": "$response.body#/page/next_cursor" },
            },
        },
    });
    json!({
        "tags": ["inventory"],
        "operationId": "listInventory",
        "summary": "Your stock",
        "description": "By product id, a page at a time: ask for the next one with `cursor` until \
                        `next_cursor` is null. A product that was never counted has 0 of everything. \
                        Every member of the vendor may look.",
        "parameters": [
            query("limit", "The most products on a page.", &json!({
                "type": "integer",
                "minimum": 1,
                "maximum": LIMIT_MAX,
                "default": LIMIT_DEFAULT,
            })),
            query(
                "cursor",
                "The `next_cursor` of a page, as it was answered.",
                &json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$" }),
            ),
            query("product_id", "Only this product.", &schema("ProductId")),
            query("sku", "Only the product with this number of yours.", &json!({
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
            })),
            parameter("RequestId"),
        ],
        "responses": answers("200", page, &[Code::ValidationError]),
    })
}

fn put() -> Value {
    let mut counted = success("What became of each item.", &schema("StockCount"), COUNT);
    counted["headers"]["Idempotency-Replayed"] = replayed();
    json!({
        "tags": ["inventory"],
        "operationId": "countStock",
        "summary": "Count stock",
        "description": "Sets the stock of up to 1,000 products of yours. A malformed body changes nothing \
                        and is 400. Everything else is decided item by item, first to last, and told in \
                        `results`: an item that is refused keeps no other from being carried out. A count \
                        takes effect at one moment between two checkouts, so `on_hand_qty` and \
                        `available_qty` are right whatever is being sold meanwhile. Needs neither a valid \
                        licence nor a subscription.\n\nTakes the role owner, admin, manager or ops.",
        "parameters": [
            parameter("IdempotencyKey"),
            parameter("TraceParent"),
            parameter("RequestId"),
        ],
        "requestBody": body("StockCountRequest", COUNT_REQUEST),
        "responses": answers("200", counted, &[
            Code::ValidationError,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::IdempotencyKeyReused,
            Code::IdempotencyInProgress,
            Code::Overloaded,
        ]),
    })
}
