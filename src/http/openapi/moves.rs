//! `/api/v1/orders/{id}/decision`, `…/fulfillment` and `…/cancellation`, and
//! `/api/v1/checkout-groups/{id}/cancellation`, documented.

use serde_json::{Value, json};

use crate::http::error::Code;

use super::{
    errors::answers,
    orders::ORDER,
    parts::{body, parameter, replayed, schema, success},
};

/// A decision about two lines.
pub const DECISION_REQUEST: &str = include_str!("examples/decision_request.json");
/// A cancellation.
pub const CANCELLATION_REQUEST: &str = include_str!("examples/cancellation_request.json");
/// The answer to the cancellation of a group.
pub const CANCELED_GROUP: &str = include_str!("examples/canceled_group.json");

/// What every one of these operations may answer.
const REFUSALS: [Code; 8] = [
    Code::ValidationError,
    Code::NotFound,
    Code::PayloadTooLarge,
    Code::UnsupportedMediaType,
    Code::IdempotencyKeyReused,
    Code::IdempotencyInProgress,
    Code::OrderStateConflict,
    Code::Overloaded,
];

/// The operations of `/api/v1/orders/{id}/decision`.
pub fn decision_path() -> Value {
    move_of_an_order(
        "decideOrder",
        "Accept or reject lines",
        "The vendor decides about lines that are pending: about all of them with one `decision`, or about \
         some with `lines`. All named lines or none. While a line is pending the order stays \
         `created_pending`; then it is `accepted`, `partially_accepted` or `rejected`. The units of \
         rejected lines are for sale again, and figures and payment are computed over what is left. Takes \
         the role owner, admin, manager or ops of the vendor; a licence or subscription that has lapsed \
         does not matter.",
        &body("DecisionRequest", DECISION_REQUEST),
    )
}

/// The operations of `/api/v1/orders/{id}/fulfillment`.
pub fn fulfillment_path() -> Value {
    move_of_an_order(
        "fulfillOrder",
        "Hand over what was accepted",
        "The vendor has handed over all accepted lines: their units are gone from the stock, and the order \
         is `fulfilled`. Takes the role owner, admin, manager or ops of the vendor.",
        &body("FulfillmentRequest", "{}"),
    )
}

/// The operations of `/api/v1/orders/{id}/cancellation`.
pub fn cancellation_path() -> Value {
    move_of_an_order(
        "cancelOrder",
        "Call an order off",
        "The buyer calls the order off, as long as it is not fulfilled. The units of its lines are for sale \
         again, and nothing is to be paid. Takes the role owner, admin, manager or ops of the buyer.",
        &body("CancellationRequest", CANCELLATION_REQUEST),
    )
}

/// The operations of `/api/v1/checkout-groups/{id}/cancellation`.
pub fn group_cancellation_path() -> Value {
    let mut canceled = success(
        "What was canceled.",
        &schema("CanceledGroup"),
        CANCELED_GROUP,
    );
    canceled["headers"]["Idempotency-Replayed"] = replayed();
    let post = json!({
        "tags": ["checkout"],
        "operationId": "cancelCheckoutGroup",
        "summary": "Call a whole checkout off",
        "description": "Cancels every order of the group that can still be canceled, in one transaction. \
                        409 if none can. Takes the role owner, admin, manager or ops of the buyer.",
        "parameters": [
            parameter("CheckoutGroup"),
            parameter("IdempotencyKey"),
            parameter("TraceParent"),
            parameter("RequestId"),
        ],
        "requestBody": body("CancellationRequest", CANCELLATION_REQUEST),
        "responses": answers("200", canceled, &REFUSALS),
    });
    json!({ "post": post })
}

/// A verdict about one line: a note goes only with a rejection.
pub fn line_decision() -> Value {
    let line_item = schema("LineItemId");
    let line = |decision: &str, more: &[(&str, Value)]| {
        let mut schema = one_decision(decision, more);
        schema["required"] = json!(["line_item_id", "decision"]);
        schema["properties"]["line_item_id"] = line_item.clone();
        schema
    };
    json!({
        "description": "A verdict about one pending line of the order.",
        "oneOf": [line("accept", &[]), line("reject", &[("note", note())])],
    })
}

/// A decision: either one about all pending lines, or one for each of some lines.
pub fn decision_request() -> Value {
    let lines = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["lines"],
        "properties": {
            "lines": {
                "type": "array",
                "minItems": 1,
                "maxItems": 200,
                "items": schema("LineDecision"),
                "description": "Verdicts about single lines, each named once. The others stay pending.",
            },
        },
    });
    json!({
        "description": "A decision: about all lines that are pending, or about some of them.",
        "oneOf": [
            one_decision("accept", &[]),
            one_decision("reject", &[("note", note())]),
            lines,
        ],
    })
}

fn one_decision(decision: &str, more: &[(&str, Value)]) -> Value {
    let mut decided = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["decision"],
        "properties": { "decision": { "type": "string", "const": decision } },
    });
    for (name, schema) in more {
        decided["properties"][name] = schema.clone();
    }
    decided
}

fn note() -> Value {
    schema("NoteText")
}

fn move_of_an_order(id: &str, summary: &str, description: &str, body: &Value) -> Value {
    let mut moved = success("The order afterwards.", &schema("PlacedOrder"), ORDER);
    moved["headers"]["Idempotency-Replayed"] = replayed();
    let post = json!({
        "tags": ["orders"],
        "operationId": id,
        "summary": summary,
        "description": description,
        "parameters": [
            parameter("Order"),
            parameter("IdempotencyKey"),
            parameter("TraceParent"),
            parameter("RequestId"),
        ],
        "requestBody": body,
        "responses": answers("200", moved, &REFUSALS),
    });
    json!({ "post": post })
}
