//! `/api/v1/webhook-endpoints`, documented.

use serde_json::{Value, json};

use crate::http::{
    error::Code,
    webhooks::{LIMIT_DEFAULT, LIMIT_MAX},
};

use super::{
    errors::answers,
    parts::{body, headers, parameter, query, schema, success, value},
};

/// The example of a request that creates an endpoint.
pub const ENDPOINT_REQUEST: &str = include_str!("examples/webhook_endpoint_request.json");
/// The example of a change.
pub const ENDPOINT_CHANGE: &str = include_str!("examples/webhook_endpoint_change.json");
const ENDPOINT: &str = include_str!("examples/webhook_endpoint.json");
const ENDPOINTS: &str = include_str!("examples/webhook_endpoints.json");
const ENDPOINT_SECRET: &str = include_str!("examples/webhook_endpoint_secret.json");
const DELIVERIES: &str = include_str!("examples/webhook_deliveries.json");
const ATTEMPT: &str = include_str!("examples/webhook_attempt.json");

const ROLE: &str = "Takes the role owner or admin.";
const NO_KEY: &str = "Takes no Idempotency-Key: an answer with a secret is not kept.";

/// The operations of all endpoints.
pub fn list_path() -> Value {
    let list = json!({ "type": "array", "items": schema("WebhookEndpoint") });
    let created = success(
        "The endpoint, and its secret.",
        &schema("WebhookEndpointSecret"),
        ENDPOINT_SECRET,
    );
    json!({
        "get": operation(
            "listWebhookEndpoints",
            "Your webhook endpoints",
            "All endpoints of your store, oldest first.",
            &[parameter("RequestId")],
            &answers("200", success("The endpoints.", &list, ENDPOINTS), &[Code::ValidationError]),
        ),
        "post": with_body(operation(
            "createWebhookEndpoint",
            "Add a webhook endpoint",
            &format!(
                "Events of your store are posted to its URL from now on, signed by Standard Webhooks, if the \
                 operator has a sink for webhooks. The answer has the secret, which is not shown again. \
                 {NO_KEY} A store has at most 16 endpoints; one more is 400."
            ),
            &[parameter("RequestId")],
            &answers("201", created, &with_a_body()),
        ), "WebhookEndpointRequest", ENDPOINT_REQUEST),
    })
}

/// The operations of one endpoint.
pub fn path() -> Value {
    let endpoint = || success("The endpoint.", &schema("WebhookEndpoint"), ENDPOINT);
    let deleted = json!({ "description": "It is deleted.", "headers": headers() });
    json!({
        "get": operation(
            "getWebhookEndpoint",
            "One webhook endpoint",
            "Without its secret.",
            &of_endpoint(),
            &answers("200", endpoint(), &FOUND),
        ),
        "patch": with_body(operation(
            "changeWebhookEndpoint",
            "Change a webhook endpoint",
            "Changes what is given, and leaves the rest. Deliveries that wait go to the new URL. An endpoint \
             that is switched on gets what waited for it, up to seven days old.",
            &of_endpoint(),
            &answers("200", endpoint(), &[&with_a_body()[..], &[Code::NotFound]].concat()),
        ), "WebhookEndpointChange", ENDPOINT_CHANGE),
        "delete": operation(
            "deleteWebhookEndpoint",
            "Delete a webhook endpoint",
            "What waits for it is not sent.",
            &of_endpoint(),
            &answers("204", deleted, &FOUND),
        ),
    })
}

/// The operation of `rotate-secret`.
pub fn rotation_path() -> Value {
    let rotated = success(
        "The endpoint, and its new secret.",
        &schema("WebhookEndpointSecret"),
        ENDPOINT_SECRET,
    );
    json!({ "post": operation(
        "rotateWebhookSecret",
        "Change the secret of a webhook endpoint",
        &format!(
            "The answer has the new secret, which is not shown again. For 24 hours every delivery is signed \
             with the old secret, too. Each old secret has its own 24 hours; while five of them sign, a further \
             rotation is 429. {NO_KEY}"
        ),
        &of_endpoint(),
        &answers("200", rotated, &FOUND),
    ) })
}

/// The operation of `test`.
pub fn test_path() -> Value {
    json!({ "post": operation(
        "testWebhookEndpoint",
        "Test a webhook endpoint",
        "Posts an event of the type `webhook_test`, whatever types the endpoint gets. The list of deliveries \
         says what became of it. An endpoint that is switched off is 400; while ten tests of it wait, a further \
         one is 429.",
        &of_endpoint(),
        &answers("202", attempt(), &FOUND),
    ) })
}

/// The operation of `deliveries`.
pub fn deliveries_path() -> Value {
    let envelope = json!({
        "type": "object",
        "required": ["data", "page"],
        "properties": {
            "data": {
                "type": "array",
                "maxItems": LIMIT_MAX,
                "items": schema("WebhookDelivery"),
            },
            "page": schema("Page"),
        },
    });
    let page = json!({
        "description": "A page of deliveries.",
        "headers": headers(),
        "content": { "application/json": { "schema": envelope, "example": value(DELIVERIES) } },
        "links": {
            "nextPage": {
                "operationId": "listWebhookDeliveries",
                "description": "Read on.",
                "parameters": {
                    "path.id": "$request.path.id",
                    "query.cursor": "$response.body#/page/next_cursor",
                },
            },
        },
    });
    let parameters = [
        parameter("WebhookEndpoint"),
        query(
            "limit",
            "The most deliveries on a page.",
            &json!({
                "type": "integer",
                "minimum": 1,
                "maximum": LIMIT_MAX,
                "default": LIMIT_DEFAULT,
            }),
        ),
        query(
            "cursor",
            "The `next_cursor` of a page, as it was answered.",
            &json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$" }),
        ),
        parameter("RequestId"),
    ];
    json!({ "get": operation(
        "listWebhookDeliveries",
        "What was delivered",
        "The attempts to deliver events to the endpoint, newest first: those that were made, and those that \
         wait. They are kept for seven days.",
        &parameters,
        &answers("200", page, &FOUND),
    ) })
}

/// The operation of `redeliver`.
pub fn redelivery_path() -> Value {
    json!({ "post": operation(
        "redeliverWebhook",
        "Deliver an event again",
        "Posts the event of a delivery once more, with the same `webhook-id`. If another attempt waits \
         already, that one is made at once. The delivery of an endpoint that is switched off is 400.",
        &[parameter("WebhookDelivery"), parameter("RequestId")],
        &answers("202", attempt(), &FOUND),
    ) })
}

const FOUND: [Code; 2] = [Code::ValidationError, Code::NotFound];

fn with_a_body() -> [Code; 3] {
    [
        Code::ValidationError,
        Code::PayloadTooLarge,
        Code::UnsupportedMediaType,
    ]
}

fn of_endpoint() -> [Value; 2] {
    [parameter("WebhookEndpoint"), parameter("RequestId")]
}

fn attempt() -> Value {
    success(
        "The attempt, which is due now.",
        &schema("WebhookAttempt"),
        ATTEMPT,
    )
}

fn operation(
    id: &str,
    summary: &str,
    description: &str,
    parameters: &[Value],
    responses: &Value,
) -> Value {
    json!({
        "tags": ["webhooks"],
        "operationId": id,
        "summary": summary,
        "description": format!("{description}\n\n{ROLE}"),
        "parameters": parameters,
        "responses": responses,
    })
}

fn with_body(mut operation: Value, name: &str, example: &str) -> Value {
    operation["requestBody"] = body(name, example);
    operation
}
