//! Changes to the whole document for generators of clients: numbers get their size, descriptions move
//! to where generators read them, and the envelope of every answer gets a name.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::parts::schema;

/// Makes all these changes.
pub fn finish(document: &mut Value) {
    complete(document);
    name_envelopes(document);
}

fn complete(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            size_integer(fields);
            lift_description(fields);
            for (name, field) in fields.iter_mut() {
                if name != "example" && name != "examples" {
                    complete(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(complete),
        _ => {}
    }
}

/// Our whole numbers are of 32 bits, unless their type says otherwise.
fn size_integer(fields: &mut Map<String, Value>) {
    let is_integer = match fields.get("type") {
        Some(Value::String(kind)) => kind == "integer",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "integer"),
        _ => false,
    };
    if is_integer {
        let most = match fields.get("format") {
            Some(format) if format == "int64" => json!(i64::MAX),
            _ => {
                fields.insert("format".to_owned(), json!("int32"));
                json!(i32::MAX)
            }
        };
        fields.entry("maximum").or_insert(most);
    }
}

/// A value that may be null is one of two kinds: its description belongs to both.
fn lift_description(fields: &mut Map<String, Value>) {
    if fields.contains_key("description") {
        return;
    }
    let Some(Value::Array(kinds)) = fields.get_mut("oneOf") else {
        return;
    };
    let described = |kind: &Value| kind.get("$ref").is_some() && kind.get("description").is_some();
    if kinds.iter().any(|kind| kind["type"] == "null")
        && let Some(Value::Object(kind)) = kinds.iter_mut().find(|kind| described(kind))
        && let Some(description) = kind.remove("description")
    {
        fields.insert("description".to_owned(), description);
    }
}

/// A name for every envelope, so that programs need not make one up: what is answered by several
/// operations has one name.
fn name_envelopes(document: &mut Value) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    each_envelope(document, &mut |_, _, envelope| {
        *uses.entry(envelope.to_string()).or_default() += 1;
    });
    let mut named: Map<String, Value> = Map::new();
    each_envelope(document, &mut |operation, status, envelope| {
        let known = named.iter().find(|(_, known)| *known == envelope);
        let new_name = || {
            let is_shared = uses[&envelope.to_string()] > 1;
            let name = name_of(operation, status, envelope, is_shared);
            if is_shared && named.contains_key(&name) {
                // Another group of operations shares another answer of this status.
                name_of(operation, status, envelope, false)
            } else {
                name
            }
        };
        let name = known.map_or_else(new_name, |(name, _)| name.clone());
        let earlier = named.insert(name.clone(), envelope.clone());
        assert!(
            earlier.is_none_or(|earlier| earlier == *envelope),
            "two envelopes are called {name}"
        );
        *envelope = schema(&name);
    });
    let schemas = document["components"]["schemas"].as_object_mut();
    schemas.expect("there are schemas").extend(named);
}

fn name_of(operation: &str, status: &str, envelope: &Value, is_shared: bool) -> String {
    let properties = &envelope["properties"];
    let referred = |schema: &Value| {
        let reference = schema["$ref"].as_str()?;
        reference.rsplit('/').next().map(str::to_owned)
    };
    let own = referred(&properties["data"]).or_else(|| referred(&properties["error"]));
    if let Some(name) = own {
        return format!("{name}Answer");
    }
    if let Some(item) = referred(&properties["data"]["items"]) {
        return format!("{item}Page");
    }
    if is_shared {
        return format!("Error{status}Answer");
    }
    let mut letters = operation.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}Error{status}Answer", letters.as_str())
}

/// Visits the envelope of every answer, with its operation and status.
fn each_envelope(document: &mut Value, visit: &mut impl FnMut(&str, &str, &mut Value)) {
    let mut answers = |operation: &str, answers: &mut Value| {
        let answers = answers.as_object_mut().into_iter().flatten();
        for (status, answer) in answers {
            let envelope = answer.pointer_mut("/content/application~1json/schema");
            if let Some(envelope) = envelope.filter(|schema| schema["properties"].is_object()) {
                visit(operation, status, envelope);
            }
        }
    };
    let items = document["paths"].as_object_mut().into_iter().flatten();
    for (_, item) in items {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            answers(&id, &mut operation["responses"]);
        }
    }
    answers("", &mut document["components"]["responses"]);
}
