//! Every error answer, made of the table of codes: which codes a status may have, their schemas, the
//! headers that they bring, their examples.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::error::{Code, examples};

use super::parts::{headers, schema};

/// The codes that every operation of the API can answer.
const EVERYWHERE: [Code; 7] = [
    Code::Unauthorized,
    Code::Forbidden,
    Code::RequestTimeout,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::DependencyUnavailable,
];

/// All answers of an operation of the API: its success, its own errors, and the errors of every operation.
pub fn answers(status: &str, success: Value, own: &[Code]) -> Value {
    let mut answers = Map::from_iter([(status.to_owned(), success)]);
    answers.extend(by_status(&[own, &EVERYWHERE].concat()));
    Value::Object(answers)
}

/// Error answers by their status, each with its codes and an example of every one.
pub fn by_status(codes: &[Code]) -> Map<String, Value> {
    let mut sorted: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.into_iter().filter(|code| codes.contains(code)) {
        sorted
            .entry(code.status().as_str().to_owned())
            .or_default()
            .push(code);
    }
    sorted
        .into_iter()
        .map(|(status, codes)| (status, answer(&codes)))
        .collect()
}

/// One error answer, which may have any of the codes.
pub fn answer(codes: &[Code]) -> Value {
    let error = match codes {
        [only] => schema(&name(*only)),
        several => one_of(several),
    };
    let schema = json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": error },
    });
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

/// One of several errors, distinguished by its code.
fn one_of(codes: &[Code]) -> Value {
    let schemas: Vec<_> = codes.iter().map(|code| schema(&name(*code))).collect();
    let mapping: Map<_, _> = codes
        .iter()
        .map(|code| {
            (
                code.as_str().to_owned(),
                schema(&name(*code))["$ref"].clone(),
            )
        })
        .collect();
    json!({
        "oneOf": schemas,
        "discriminator": { "propertyName": "code", "mapping": mapping },
    })
}

/// The name of the schema of a code's error.
pub fn name(code: Code) -> String {
    format!("Error{code:?}")
}

/// The schema of a code's error, without its envelope.
pub fn error(code: Code) -> Value {
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
        "required": required,
        "properties": properties,
    })
}

/// The details of a code, if it has any.
fn details(code: Code) -> Option<Value> {
    let list = |name: &str, item: Value| {
        json!({
            "type": "object",
            "required": [name],
            "properties": { name: { "type": "array", "minItems": 1, "items": item } },
        })
    };
    let bounded = |name: &str, item: Value| {
        let mut schema = list(name, item);
        schema["properties"]["more"] = json!({
            "type": "integer",
            "minimum": 1,
            "description": "How many there are beside these, left out because the answer would be too long.",
        });
        schema
    };
    match code {
        Code::ValidationError => Some(list("fields", schema("FieldProblem"))),
        Code::CartInvalid | Code::CheckoutInvalid => {
            Some(bounded("violations", schema("Violation")))
        }
        Code::CartAlreadyConverted => Some(json!({
            "type": "object",
            "required": ["checkout_group_id"],
            "properties": { "checkout_group_id": schema("CheckoutGroupId") },
        })),
        Code::CartChanged => Some(list("changes", schema("CartChange"))),
        Code::CartExpired => Some(json!({
            "type": "object",
            "required": ["valid_until"],
            "properties": { "valid_until": { "type": "string", "format": "date-time" } },
        })),
        Code::OrderStateConflict => Some(json!({
            "type": "object",
            "required": ["allowed"],
            "properties": {
                "order_id": schema("OrderId"),
                "status": schema("OrderStatus"),
                "allowed": {
                    "type": "array",
                    "minItems": 1,
                    "items": schema("OrderStatus"),
                    "description": "The statuses from which the request is possible.",
                },
                "line_item_ids": {
                    "type": "array",
                    "minItems": 1,
                    "items": schema("LineItemId"),
                    "description": "The lines of the decision that are not pending.",
                },
            },
        })),
        Code::StockChanged => Some(bounded("lines", schema("ShortLine"))),
        _ => None,
    }
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
                "description": "How to say who you are, and whether what you have sent was no good \
                                (RFC 6750, 3).",
                "schema": {
                    "type": "string",
                    "enum": ["Bearer", "Bearer error=\"invalid_token\""],
                },
                "example": "Bearer error=\"invalid_token\"",
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
