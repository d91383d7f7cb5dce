//! The parts of all operations: references, bodies, successes, headers.

use serde_json::{Map, Value, json};

/// An example of a cart's entity tag.
pub const ETAG: &str = "\"01941f29-7c00-7000-8000-000000000003.3\"";

/// A reference to a schema of `components`.
pub fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A reference to a parameter of `components`.
pub fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// A parameter of a query.
pub fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({
        "name": name,
        "in": "query",
        "required": false,
        "description": description,
        "schema": schema,
    })
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
    let left = "How many requests the address and the user may send at once (`r`), and in how many \
                seconds their limits are whole again (`t`; draft-ietf-httpapi-ratelimit-headers). \
                Not there where limits are off.";
    let policy =
        "The limits: how many requests at once (`q`), given back over so many seconds (`w`).";
    Map::from_iter([
        (
            "X-Request-Id".to_owned(),
            text(true, id, "01941f29-7c00-7000-8000-000000000001"),
        ),
        (
            "RateLimit".to_owned(),
            text(false, left, "\"address\";r=49999;t=1, \"user\";r=999;t=1"),
        ),
        (
            "RateLimit-Policy".to_owned(),
            text(
                false,
                policy,
                "\"address\";q=50000;w=5, \"user\";q=1000;w=5",
            ),
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

/// The header that names a cart's version.
pub fn etag() -> Value {
    json!({
        "required": true,
        "description": "The cart's version: the `If-Match` of a PUT that is to replace just this one.",
        "schema": { "type": "string", "pattern": "^\"[0-9a-f-]{36}\\.[0-9]+\"$" },
        "example": ETAG,
    })
}

/// An example's text as a value.
pub fn value(example: &str) -> Value {
    serde_json::from_str(example).expect("the examples are JSON, as a test says")
}
