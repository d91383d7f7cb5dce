//! The document against the routes, the tables and its own schemas; [`readers`] against the readers.

mod readers;

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::{document, parts, whole_document};
use crate::{
    domain::{rejection::LineRejectionReason, violation::ViolationCode},
    http::{
        error::{Code, markdown::markdown},
        paths,
    },
};

fn read() -> Value {
    serde_json::from_str(whole_document()).unwrap()
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
    let routed = paths::ALL.map(|(path, allow)| (path.to_owned(), allow.replace(", HEAD", "")));
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

/// Every node with its path.
fn each(node: &Value, path: &str, visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>)) {
    match node {
        Value::Object(fields) => {
            visit(path, fields);
            for (name, field) in fields
                .iter()
                .filter(|(name, _)| !name.starts_with("example"))
            {
                each(field, &format!("{path}/{name}"), visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each(item, &format!("{path}/{index}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn errors_are_told_apart_by_their_code_inside_one_envelope() {
    let document = read();
    let mut unions = 0;
    each(&document, "", &mut |path, fields| {
        let Some(mapping) = fields.get("discriminator").map(|it| &it["mapping"]) else {
            return;
        };
        unions += 1;
        assert_eq!(fields["discriminator"]["propertyName"], "code", "{path}");
        let alternatives = fields["oneOf"].as_array().unwrap();
        let mapping = mapping.as_object().unwrap();
        assert_eq!(mapping.len(), alternatives.len(), "{path}");
        for (code, reference) in mapping {
            let error = document.pointer(&reference.as_str().unwrap()[1..]).unwrap();
            assert_eq!(error["properties"]["code"]["const"], *code, "{path}");
            assert!(
                alternatives.contains(&json!({ "$ref": reference })),
                "{path}"
            );
        }
    });
    assert!(unions >= 4, "{unions}");
}

#[test]
fn every_answer_s_envelope_has_a_name() {
    let document = read();
    let mut answers = 0;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let content = &answer["content"]["application/json"];
                let id = &operation["operationId"];
                if content.is_object() && id != "getDocument" {
                    assert!(content["schema"]["$ref"].is_string(), "{id} {status}");
                    answers += 1;
                }
            }
        }
    }
    assert!(answers > 40, "{answers}");
    for name in [
        "CartAnswer",
        "CheckoutAnswer",
        "PreviewAnswer",
        "PlacedOrderPage",
    ] {
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

#[test]
fn numbers_say_their_size_and_what_may_be_null_its_meaning() {
    let mut numbers = 0;
    each(&read(), "", &mut |path, fields| {
        let kinds = fields.get("type").map(Value::to_string).unwrap_or_default();
        if kinds.contains("\"integer\"") {
            let most = match fields["format"].as_str() {
                Some("int32") => i64::from(i32::MAX),
                Some("int64") => i64::MAX,
                other => panic!("{path}: {other:?}"),
            };
            assert!(fields["maximum"].as_i64().unwrap() <= most, "{path}");
            numbers += 1;
        }
        let kinds = fields.get("oneOf").and_then(Value::as_array);
        if kinds.is_some_and(|kinds| kinds.contains(&json!({ "type": "null" }))) {
            assert!(fields["description"].is_string(), "{path}");
        }
    });
    assert!(numbers > 15, "{numbers}");
}

#[test]
fn enumerations_are_referred_to_and_each_value_is_explained() {
    let document = read();
    let parameters = document["paths"][paths::ORDERS]["get"]["parameters"]
        .as_array()
        .unwrap();
    for (name, schema) in [
        ("status", "OrderStatus"),
        ("perspective", "OrderPerspective"),
    ] {
        let parameter = parameters.iter().find(|it| it["name"] == name).unwrap();
        assert_eq!(parameter["schema"], parts::schema(schema));
    }
    for name in [
        "ViolationCode",
        "LineRejectionReason",
        "OrderStatus",
        "OrderPerspective",
        "ShortagePolicy",
        "CountRefusal",
    ] {
        let schema = &document["components"]["schemas"][name];
        let values = schema["enum"].as_array().unwrap();
        let meanings = schema["x-enum-descriptions"].as_array().unwrap();
        assert_eq!(values.len(), meanings.len(), "{name}");
        let said = |it: &Value| it.as_str().is_some_and(|it| !it.is_empty());
        assert!(meanings.iter().all(said), "{name}: {meanings:?}");
    }
}

#[test]
fn clients_see_no_routes_of_the_document_s_own_and_no_key_that_is_always_the_same() {
    let document: Value = serde_json::from_str(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(
        paths.keys().all(|path| path.starts_with("/api/v1/")),
        "{paths:?}"
    );
    let key = &document["components"]["parameters"]["IdempotencyKey"];
    assert!(key.is_object() && key.get("example").is_none(), "{key}");
}

#[test]
fn every_example_is_valid() {
    let mut checked = 0;
    check_examples(&read(), &mut checked);
    assert!(checked > 50, "{checked} examples");
}

/// Each example is beside its schema.
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
