//! What all operations are put together from: headers, parameters, bodies, answers, errors.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::error::{Code, examples};

/// The codes that every operation of the API can answer.
const EVERYWHERE: [Code; 5] = [
    Code::Unauthorized,
    Code::Forbidden,
    Code::RateLimited,
    Code::Internal,
    Code::DependencyUnavailable,
];

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

/// All answers of an operation of the API: its success, its own errors, and everybody's.
pub fn answers(status: &str, success: Value, own: &[Code]) -> Value {
    let mut answers = Map::from_iter([(status.to_owned(), success)]);
    answers.extend(errors(&[own, &EVERYWHERE].concat()));
    Value::Object(answers)
}

/// Error answers by their status, each with its codes and an example of every one.
pub fn errors(codes: &[Code]) -> Map<String, Value> {
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.into_iter().filter(|code| codes.contains(code)) {
        by_status
            .entry(code.status().as_str().to_owned())
            .or_default()
            .push(code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status, error(&codes)))
        .collect()
}

/// One error answer, which may have any of the codes.
pub fn error(codes: &[Code]) -> Value {
    let schemas: Vec<_> = codes
        .iter()
        .map(|code| schema(&error_name(*code)))
        .collect();
    let schema = match schemas.as_slice() {
        [only] => only.clone(),
        several => json!({ "oneOf": several }),
    };
    let examples: Map<_, _> = codes
        .iter()
        .map(|code| {
            let example = json!({ "summary": code.as_str(), "value": examples::body(*code) });
            (code.as_str().to_owned(), example)
        })
        .collect();
    let lines: Vec<_> = codes
        .iter()
        .map(|code| {
            let entry = code.entry();
            format!("`{}`: {} {}", entry.name, entry.when, entry.remedy)
        })
        .collect();
    let mut headers = headers();
    for code in codes {
        for (name, mut header) in headers_of(*code) {
            // A header is certain only where every code brings it.
            let always = codes
                .iter()
                .all(|code| headers_of(*code).contains_key(&name));
            header["required"] = json!(always);
            headers.insert(name, header);
        }
    }
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": { "application/json": { "schema": schema, "examples": examples } },
    })
}

/// The name of the schema of a code's envelope.
pub fn error_name(code: Code) -> String {
    format!("Error{code:?}")
}

/// The schema of a code's envelope.
pub fn error_schema(code: Code) -> Value {
    let entry = code.entry();
    let mut properties = json!({
        "code": { "type": "string", "const": entry.name },
        "message": {
            "type": "string",
            "minLength": 1,
            "description": "A sentence that a person can act on.",
        },
        "request_id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": "The same as in X-Request-Id.",
        },
    });
    let mut required = vec!["code", "message", "request_id"];
    if let Some(details) = details(code) {
        properties["details"] = details;
        required.push("details");
    }
    json!({
        "type": "object",
        "description": format!("{} {}", entry.when, entry.remedy),
        "required": ["error"],
        "properties": {
            "error": { "type": "object", "required": required, "properties": properties },
        },
    })
}

/// What a code tells beside its message, if it tells more.
fn details(code: Code) -> Option<Value> {
    let list = |name: &str, item: Value| {
        json!({
            "type": "object",
            "required": [name],
            "properties": { name: { "type": "array", "minItems": 1, "items": item } },
        })
    };
    match code {
        Code::ValidationError => Some(list("fields", schema("FieldProblem"))),
        Code::CartInvalid | Code::CheckoutInvalid => Some(list("violations", schema("Violation"))),
        Code::CartAlreadyConverted => Some(json!({
            "type": "object",
            "required": ["checkout_group_id"],
            "properties": { "checkout_group_id": schema("CheckoutGroupId") },
        })),
        Code::CartChanged => Some(list("changes", schema("CartChange"))),
        Code::CartExpired => Some(json!({
            "type": "object",
            "required": ["cart_id", "valid_until"],
            "properties": {
                "cart_id": schema("CartId"),
                "valid_until": { "type": "string", "format": "date-time" },
            },
        })),
        Code::StockChanged => Some(list("lines", schema("ShortLine"))),
        _ => None,
    }
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

/// The headers that a code brings.
fn headers_of(code: Code) -> BTreeMap<String, Value> {
    let wait = json!({
        "description": "How many seconds to wait before the next attempt.",
        "schema": { "type": "integer", "minimum": 1 },
        "example": 1,
    });
    let header = match code {
        Code::Unauthorized => (
            "WWW-Authenticate",
            json!({
                "description": "How to say who you are.",
                "schema": { "type": "string", "const": "Bearer" },
                "example": "Bearer",
            }),
        ),
        Code::MethodNotAllowed => (
            "Allow",
            json!({
                "description": "The methods that the route takes.",
                "schema": { "type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$" },
                "example": "GET, PUT",
            }),
        ),
        Code::IdempotencyInProgress
        | Code::RateLimited
        | Code::Overloaded
        | Code::DependencyUnavailable => ("Retry-After", wait),
        _ => return BTreeMap::new(),
    };
    BTreeMap::from([(header.0.to_owned(), header.1)])
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
