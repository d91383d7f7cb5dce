//! Checks every event that a test reads against the JSON Schema of its type.

use std::{collections::HashMap, fs, sync::LazyLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The schemas by the type of their events, with fields refused that are not documented.
static SCHEMAS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let schemas = fs::read_dir("docs/events").unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let mut schema = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        close(&mut schema);
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.split('.').next().unwrap().to_owned();
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        (name, validator)
    });
    schemas.collect()
});

fn close(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Fails if an event is not as documented.
pub fn check_event(event: &Value) {
    let event_type = event["type"].as_str().unwrap_or_default();
    let schema = SCHEMAS
        .get(event_type)
        .unwrap_or_else(|| panic!("no schema describes {event}"));
    let problems: Vec<_> = schema
        .iter_errors(event)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        problems.is_empty(),
        "{event} is against its schema:\n{}",
        problems.join("\n")
    );
}
