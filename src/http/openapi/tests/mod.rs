//! The document against the routes, the tables and its own schemas; [`readers`] against the readers.

mod readers;

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::*;
use crate::{domain::violation::ViolationCode, http::error::page::markdown};

fn read() -> Value {
    serde_json::from_str(document()).unwrap()
}

/// A schema of the document by its name, ready to judge.
fn judge(schema: &Value) -> jsonschema::Validator {
    let whole = json!({ "allOf": [schema], "components": read()["components"] });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&whole)
        .unwrap()
}

#[test]
fn the_document_has_just_the_routes() {
    let document = read();
    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, item)| {
            let methods: Vec<_> = item.as_object().unwrap().keys().collect();
            let methods: Vec<_> = methods.iter().map(|method| method.to_uppercase()).collect();
            (path.clone(), methods.join(", "))
        })
        .collect();
    // HEAD goes without saying where GET is.
    let routed = routes::ALL.map(|(path, allow)| (path.to_owned(), allow.replace(", HEAD", "")));
    assert_eq!(documented, BTreeSet::from(routed));
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_referred_to() {
    let document = read();
    let mut references = BTreeSet::new();
    gather_references(&document, &mut references);
    for reference in &references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        let reference = format!("#/components/schemas/{name}");
        assert!(references.contains(&reference), "{name} is never used");
    }
}

fn gather_references(node: &Value, references: &mut BTreeSet<String>) {
    match node {
        Value::Object(fields) => {
            references.extend(
                fields
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            for field in fields.values() {
                gather_references(field, references);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|it| gather_references(it, references)),
        _ => {}
    }
}

#[test]
fn every_example_is_valid() {
    let mut checked = 0;
    check_examples(&read(), &mut checked);
    assert!(checked > 50, "{checked} examples");
}

/// An example stands beside the schema that it is one of.
fn check_examples(node: &Value, checked: &mut usize) {
    match node {
        Value::Object(fields) => {
            if let Some(schema) = fields.get("schema") {
                let one = fields.get("example").into_iter();
                let several = fields.get("examples").and_then(Value::as_object);
                let several = several.into_iter().flat_map(|examples| examples.values());
                for example in one.chain(several.map(|example| &example["value"])) {
                    let errors: Vec<_> = judge(schema)
                        .iter_errors(example)
                        .map(|error| format!("{}: {error}", error.instance_path()))
                        .collect();
                    assert!(errors.is_empty(), "{example}\n{errors:?}");
                    *checked += 1;
                }
            }
            fields
                .values()
                .for_each(|field| check_examples(field, checked));
        }
        Value::Array(items) => items.iter().for_each(|item| check_examples(item, checked)),
        _ => {}
    }
}

#[test]
fn the_page_of_errors_is_up_to_date() {
    let kept = fs::read_to_string("docs/errors.md").unwrap_or_default();
    assert!(
        kept == markdown(),
        "docs/errors.md is not what the tables say; run `splitcart errors > docs/errors.md`"
    );
}

#[test]
fn every_name_of_the_domain_is_explained() {
    let documented = |schema: utoipa::openapi::RefOr<utoipa::openapi::Schema>| {
        serde_json::to_value(schema).unwrap()["enum"].clone()
    };
    assert_eq!(
        documented(ViolationCode::schema()),
        json!(ViolationCode::ALL)
    );
    assert_eq!(
        documented(LineRejectionReason::schema()),
        json!(LineRejectionReason::ALL)
    );
}

#[test]
fn every_code_has_a_name_of_its_own_and_an_operation_or_a_general_answer() {
    let names: BTreeSet<_> = Code::ALL.map(Code::as_str).into_iter().collect();
    assert_eq!(names.len(), Code::ALL.len());
    for name in names {
        let example = format!("\"code\": \"{name}\"");
        assert!(document().contains(&example), "{name} is nobody's");
    }
}
