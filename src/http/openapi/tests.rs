//! The document against the routes, the tables and the readers.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::*;
use crate::{
    domain::violation::ViolationCode,
    http::{
        carts, checkout as checkouts,
        error::page::markdown,
        json::{FieldProblem, Node},
    },
};

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
    let routed = routes::ALL.map(|(path, allow)| (path.to_owned(), allow.to_owned()));
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
fn the_reader_of_carts_takes_what_is_documented_and_nothing_else() {
    hold(
        "CartRequest",
        &parts::value(cart::CART_REQUEST),
        carts::parse,
    );
}

#[test]
fn the_reader_of_checkouts_takes_what_is_documented_and_nothing_else() {
    let example = parts::value(checkout::CHECKOUT_REQUEST);
    hold("CheckoutRequest", &example, checkouts::parse);
}

/// Changes every place of an example in every way, and compares what the schema and the reader say.
fn hold<T>(name: &str, example: &Value, parse: impl Fn(&Node) -> Result<T, Vec<FieldProblem>>) {
    let schema = judge(&parts::schema(name));
    let takes = |body: &Value| {
        let text = serde_json::to_string(body).unwrap();
        parse(&serde_json::from_str(&text).unwrap()).is_ok()
    };
    assert!(takes(example), "the example of {name}");
    let mut places = Vec::new();
    gather_places(example, String::new(), &mut places);
    let (mut valid_ones, mut others) = (0, 0);
    for place in &places {
        for body in variants(example, place) {
            let valid = schema.is_valid(&body);
            assert_eq!(takes(&body), valid, "{name} at {place:?}: {body}");
            if valid {
                valid_ones += 1;
            } else {
                others += 1;
            }
        }
    }
    assert!(
        valid_ones > 5 && others > 20,
        "{valid_ones} valid, {others} not"
    );
}

fn gather_places(node: &Value, path: String, places: &mut Vec<String>) {
    match node {
        Value::Object(fields) => {
            for (name, field) in fields {
                gather_places(field, format!("{path}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                gather_places(item, format!("{path}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(path);
}

/// The example with one place gone, with something else in it, and with something beside it.
fn variants(example: &Value, place: &str) -> Vec<Value> {
    let mut bodies: Vec<_> = others()
        .into_iter()
        .map(|other| {
            let mut body = example.clone();
            *body.pointer_mut(place).unwrap() = other;
            body
        })
        .collect();
    if let Some(Value::Object(fields)) = example.pointer(place) {
        let mut with_one_more = example.clone();
        with_one_more.pointer_mut(place).unwrap()["colour"] = json!("red");
        bodies.push(with_one_more);
        for name in fields.keys() {
            let mut without = example.clone();
            let fields = without.pointer_mut(place).unwrap().as_object_mut();
            fields.unwrap().remove(name);
            bodies.push(without);
        }
    }
    if let Some(Value::Array(items)) = example.pointer(place) {
        for len in [1, 199, 200, 201] {
            let mut grown = example.clone();
            let copies = (0..len).map(|index| with_its_own_ids(&items[0], index));
            *grown.pointer_mut(place).unwrap() = copies.collect();
            bodies.push(grown);
        }
    }
    bodies
}

/// A vendor grants one discount per cart, which no schema can say: copies are of several vendors.
fn with_its_own_ids(item: &Value, index: u128) -> Value {
    let mut item = item.clone();
    item["vendor_store_id"] = json!(uuid::Uuid::from_u128(index));
    item
}

/// What may stand in a place by right or by mistake: each kind, and both sides of each limit.
fn others() -> Vec<Value> {
    let mut others = vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(i64::from(i32::MAX)),
        json!(i64::from(i32::MAX) + 1),
        json!([]),
        json!({}),
    ];
    let texts = [
        "",
        " ",
        "x",
        "USD",
        "usd",
        "US",
        "USDX",
        "cash",
        "ach",
        "gold",
        "1",
        "1.5",
        "1.50",
        "01.50",
        "1.",
        ".5",
        "1.505",
        "-1.50",
        "+1",
        "1e2",
        "1,50",
        "999999999999.99",
        "1000000000000",
        "line\nbreak",
        "\u{7f}",
        "\u{9f}",
        "é",
        "01941f29-7c01-7a37-9bad-1e97eeb7f7f1",
        "01941F29-7C01-7A37-9BAD-1E97EEB7F7F1",
        "01941f29-7c01-7a37-9bad-1e97eeb7f7f",
        "01941f297c017a379bad1e97eeb7f7f1",
        "{01941f29-7c01-7a37-9bad-1e97eeb7f7f1}",
    ];
    others.extend(texts.map(Value::from));
    // Every value of every enumeration: whatever is documented somewhere is taken there.
    gather_enumerations(&read(), &mut others);
    let lengths = [200, 201, 255, 256];
    others.extend(lengths.map(|length| Value::from("é".repeat(length))));
    others
}

fn gather_enumerations(node: &Value, values: &mut Vec<Value>) {
    match node {
        Value::Object(fields) => {
            let enumeration = fields.get("enum").and_then(Value::as_array);
            values.extend(enumeration.into_iter().flatten().cloned());
            for field in fields.values() {
                gather_enumerations(field, values);
            }
        }
        Value::Array(items) => items.iter().for_each(|it| gather_enumerations(it, values)),
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
