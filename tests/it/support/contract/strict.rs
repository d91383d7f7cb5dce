//! A client must accept fields that it does not know. A test must not, or undocumented fields would go
//! unnoticed: here every schema of the document is closed.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// Makes every object refuse undocumented fields.
pub fn refuse_what_is_not_documented(document: &mut Value) {
    let mut parts = HashSet::new();
    gather_parts(document, &mut parts);
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in schemas {
        // A schema that is part of others is closed where they are combined.
        if !parts.contains(&format!("#/components/schemas/{name}")) {
            close(schema);
        }
    }
    close(&mut document["paths"]);
}

/// Collects the schemas that others are composed of.
fn gather_parts(node: &Value, parts: &mut HashSet<String>) {
    match node {
        Value::Object(fields) => {
            let all_of = fields.get("allOf").and_then(Value::as_array);
            for part in all_of.into_iter().flatten() {
                parts.extend(part["$ref"].as_str().map(str::to_owned));
            }
            for field in fields.values() {
                gather_parts(field, parts);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather_parts(item, parts)),
        _ => {}
    }
}

fn close(node: &mut Value) {
    match node {
        Value::Object(fields) => close_object(fields),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn close_object(fields: &mut Map<String, Value>) {
    for (name, field) in fields.iter_mut() {
        match (name.as_str(), field) {
            ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(close_inside),
            ("example" | "examples", _) => {}
            (_, field) => close(field),
        }
    }
    let is_object = fields.get("properties").is_some_and(Value::is_object);
    if is_object || fields.contains_key("allOf") {
        fields.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}

/// Closes the fields of a part, not the part itself: the fields of the other parts are beside its own.
fn close_inside(part: &mut Value) {
    if let Some(Value::Object(fields)) = part.get_mut("properties") {
        fields.values_mut().for_each(close);
    }
}
