//! What all operations are put together from: references, bodies, successes, headers.

use serde_json::{Map, Value, json};

/// A reference to a schema of `components`.
pub fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A reference to a parameter of `components`.
pub fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// A request body of JSON.
pub fn body(name: &str, example: &str) -> Value {
    json!({
        "required": true,
        "content": { "application/json": { "schema": schema(name), "example": value(example) } },
    })
}

/// A success with `data` in it.
pub fn success(description: &str, data: &Value, example: &str) -> Value {
    let envelope = json!({
        "type": "object",
        "required": ["data"],
        "properties": { "data": data },
    });
    json!({
        "description": description,
        "headers": headers(),
        "content": { "application/json": { "schema": envelope, "example": value(example) } },
    })
}

/// The headers of every answer.
pub fn headers() -> Map<String, Value> {
    let text = |required: bool, description: &str, example: &str| {
        json!({
            "required": required,
            "description": description,
            "schema": { "type": "string" },
            "example": example,
        })
    };
    let id = "The request's id: your own if you sent a decent one, else one of ours.";
    let left = "How much of the rate limit is left, and when it is whole again \
                (draft-ietf-httpapi-ratelimit-headers). Only where a limit is set.";
    let policy = "The rate limit: its quota and its window in seconds. Only where one is set.";
    Map::from_iter([
        (
            "X-Request-Id".to_owned(),
            text(true, id, "01941f29-7c00-7000-8000-000000000001"),
        ),
        (
            "RateLimit".to_owned(),
            text(false, left, "\"store\";r=49;t=1"),
        ),
        (
            "RateLimit-Policy".to_owned(),
            text(false, policy, "\"store\";q=50;w=1"),
        ),
    ])
}

/// The header that marks a repeated answer.
pub fn replayed() -> Value {
    json!({
        "required": false,
        "description": "`true` if this key had its answer before: this is it again, to the byte.",
        "schema": { "type": "string", "const": "true" },
        "example": "true",
    })
}

/// An example's text as a value.
pub fn value(example: &str) -> Value {
    serde_json::from_str(example).expect("the examples are JSON, as a test says")
}
