//! The schemas of requests against their readers: each place of an example is changed in every way, and
//! schema and reader must agree.

use serde_json::{Value, json};

use super::{judge, read};
use crate::http::{
    bodies::{
        cart::CartRequestBody,
        checkout::CheckoutRequestBody,
        inventory::StockCountBody,
        quote::QuoteRequestBody,
        webhooks::{EndpointChangeBody, NewEndpointBody},
    },
    json::{self, FromJson, Node},
    openapi::{cart, checkout, inventory, parts, webhooks},
};

#[test]
fn the_reader_of_carts_takes_what_is_documented_and_nothing_else() {
    let example = parts::value(cart::CART_REQUEST);
    hold::<CartRequestBody>("CartRequest", &example);
}

#[test]
fn the_reader_of_quotes_takes_what_is_documented_and_nothing_else() {
    let example = parts::value(cart::QUOTE_REQUEST);
    hold::<QuoteRequestBody>("QuoteRequest", &example);
}

#[test]
fn the_reader_of_checkouts_takes_what_is_documented_and_nothing_else() {
    let example = parts::value(checkout::CHECKOUT_REQUEST);
    hold::<CheckoutRequestBody>("CheckoutRequest", &example);
}

#[test]
fn the_reader_of_stock_counts_takes_what_is_documented_and_nothing_else() {
    let example = parts::value(inventory::COUNT_REQUEST);
    hold::<StockCountBody>("StockCountRequest", &example);
}

#[test]
fn the_readers_of_webhook_endpoints_take_what_is_documented_and_nothing_else() {
    let example = parts::value(webhooks::ENDPOINT_REQUEST);
    hold::<NewEndpointBody>("WebhookEndpointRequest", &example);
    let example = parts::value(webhooks::ENDPOINT_CHANGE);
    hold::<EndpointChangeBody>("WebhookEndpointChange", &example);
}

/// Changes every place of an example in every way, and compares what the schema and the reader say.
fn hold<T: FromJson>(name: &str, example: &Value) {
    let schema = judge(&parts::schema(name));
    let takes = |body: &Value| {
        let text = serde_json::to_string(body).unwrap();
        json::read::<T>(&Node::parse(text.as_bytes()).unwrap()).is_ok()
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
        for len in [1, 199, 200, 201, 1000, 1001] {
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
    if let Some(vendor) = item.get_mut("vendor_store_id") {
        *vendor = json!(uuid::Uuid::from_u128(index));
    }
    item
}

/// Values for any place, valid or not: each kind, and both sides of each limit.
fn others() -> Vec<Value> {
    let mut others = vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(10.0),
        json!(1e3),
        json!(-0.0),
        json!(1e300),
        json!(f64::from(i32::MAX)),
        json!(f64::from(i32::MAX) + 1.0),
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
