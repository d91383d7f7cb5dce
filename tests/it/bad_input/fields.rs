//! Every field of the two bodies, with every kind of wrong value.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, client::fresh_key};

use super::{Fixture, bad_fields};

/// Values that are wrong for any field of a kind.
fn wrong_values(kind: &str) -> Vec<Value> {
    let long = "x".repeat(1000);
    match kind {
        "object" => vec![json!([]), json!("x"), json!(1), json!(true)],
        "list" => vec![json!({}), json!("x"), json!(1), json!(true)],
        "id" => vec![
            json!(""),
            json!("x"),
            json!(0),
            json!(-1),
            json!(true),
            json!([]),
            json!({}),
            json!("0198-0c5e"),
            json!(long),
            json!("\u{0}"),
            json!("01980c5e00007000800000000000000g"),
            json!("01980c5e000070008000000000000000"),
            json!("{01980c5e-0000-7000-8000-000000000000}"),
            json!(" 01980c5e-0000-7000-8000-000000000000"),
            json!("urn:uuid:01980c5e-0000-7000-8000-000000000000"),
            json!("01980c5e-0000-7000-8000-00000000000'"),
        ],
        "qty" => vec![
            json!(0),
            json!(-1),
            json!(1.5),
            json!(0.0),
            json!(-1.0),
            json!(2_147_483_648.0),
            json!(1e18),
            json!(2_147_483_648_u64),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e300),
            json!("1"),
            json!(""),
            json!("NaN"),
            json!(true),
            json!([1]),
            json!({}),
        ],
        "money" => vec![
            json!(""),
            json!("-0.01"),
            json!("-1"),
            json!("+1"),
            json!("1.234"),
            json!("1."),
            json!(".5"),
            json!("1e3"),
            json!("1,000.00"),
            json!(" 1"),
            json!("1 "),
            json!("NaN"),
            json!("Infinity"),
            json!("-Infinity"),
            json!("null"),
            json!("0x10"),
            json!("١"),
            json!("1000000000000"),
            json!("9".repeat(400)),
            json!(format!("0.{}", "0".repeat(400))),
            json!("\u{0}"),
            json!("1\u{0}"),
            json!(1),
            json!(1.5),
            json!(0),
            json!(-1),
            json!(true),
            json!([]),
            json!({}),
        ],
        "currency" => vec![
            json!(""),
            json!("usd"),
            json!("Usd"),
            json!("US"),
            json!("USDD"),
            json!("U D"),
            json!("ÜSD"),
            json!("U\u{0}D"),
            json!("123"),
            json!(840),
            json!(true),
            json!([]),
            json!({}),
        ],
        "text" => vec![
            json!(""),
            json!(long),
            json!("a\u{0}b"),
            json!("a\nb"),
            json!("a\u{7f}"),
            json!(1),
            json!(true),
            json!([]),
            json!({}),
        ],
        _ => unreachable!("no such kind"),
    }
}

/// Every field of a cart: its path, its kind, and true if it may be missing or null.
const FIELDS: [(&str, &str, bool); 21] = [
    ("/currency", "currency", true),
    ("/shipping_address", "object", true),
    ("/shipping_address/line1", "text", false),
    ("/shipping_address/line2", "text", true),
    ("/shipping_address/city", "text", false),
    ("/shipping_address/state", "text", false),
    ("/shipping_address/postal_code", "text", false),
    ("/shipping_address/country", "text", false),
    ("/items", "list", false),
    ("/items/0/product_id", "id", false),
    ("/items/0/vendor_store_id", "id", false),
    ("/items/0/qty", "qty", false),
    ("/items/0/unit_price", "money", true),
    ("/items/0/line_total", "money", true),
    ("/discounts", "list", true),
    ("/discounts/0/vendor_store_id", "id", false),
    ("/discounts/0/code", "text", false),
    ("/totals", "object", false),
    ("/totals/subtotal", "money", false),
    ("/totals/discount_total", "money", false),
    ("/totals/total", "money", false),
];

fn removed(cart: &Value, path: &str) -> Value {
    let mut cart = cart.clone();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = cart.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(name).unwrap();
    cart
}

fn replaced(cart: &Value, path: &str, value: Value) -> Value {
    let mut cart = cart.clone();
    *cart.pointer_mut(path).unwrap() = value;
    cart
}

#[tokio::test]
async fn every_wrong_value_of_every_field_of_a_cart_is_named() {
    let fixture = Fixture::new().await;
    for (path, kind, optional) in FIELDS {
        for value in wrong_values(kind) {
            let found = fixture.put(&replaced(&fixture.cart, path, value)).await;
            assert_eq!(found, [path]);
        }
        if !optional {
            assert_eq!(fixture.put(&removed(&fixture.cart, path)).await, [path]);
            assert_eq!(
                fixture
                    .put(&replaced(&fixture.cart, path, json!(null)))
                    .await,
                [path]
            );
        }
    }
    // No list of lines may be empty, and every element must be an object.
    assert_eq!(
        fixture
            .put(&replaced(&fixture.cart, "/items", json!([])))
            .await,
        ["/items"]
    );
    for list in ["/items", "/discounts"] {
        for element in [json!(null), json!([]), json!("x"), json!(1)] {
            let mut cart = fixture.cart.clone();
            cart.pointer_mut(list)
                .unwrap()
                .as_array_mut()
                .unwrap()
                .push(element);
            assert_eq!(fixture.put(&cart).await, [format!("{list}/1")]);
        }
    }
    fixture.finish().await;
}

/// As in JSON Schema, the value counts, read by its digits.
#[tokio::test]
async fn a_whole_number_is_one_however_it_is_written() {
    let fixture = Fixture::new().await;
    let key = fresh_key();
    let text = fixture.cart.to_string();
    let send = async |key: &str, qty: &str| {
        let body = text.replacen("\"qty\":2", &format!("\"qty\":{qty}"), 1);
        assert!(qty == "2" || body != text);
        let request = fixture.client.put_cart_request(key, &json!({})).body(body);
        Client::send(request).await
    };
    let first = send(&key, "2").await;
    for qty in ["2.0", "2.000", "2e0", "0.2e1", "20E-1"] {
        let fresh = send(&fresh_key(), qty).await;
        assert_eq!((fresh.status, fresh.is_replay()), (200, false), "{qty}");
        // The two spellings make the same request.
        let again = send(&key, qty).await;
        assert!(again.is_replay(), "{qty}: {}", again.text());
        assert_eq!(again.bytes, first.bytes, "{qty}");
    }
    for qty in [
        "2.5",
        "2e-1",
        "2.0000000000000000000001",
        "2147483647.0000000001",
    ] {
        let reply = send(&fresh_key(), qty).await;
        assert_eq!(bad_fields(&reply, qty), ["/items/0/qty"]);
    }
}

#[tokio::test]
async fn optional_fields_may_be_missing_or_null() {
    let fixture = Fixture::new().await;
    for (path, _, optional) in FIELDS {
        if optional {
            for mut cart in [
                removed(&fixture.cart, path),
                replaced(&fixture.cart, path, json!(null)),
            ] {
                if path == "/discounts" {
                    cart["totals"] = json!({
                        "subtotal": "20.00", "discount_total": "0.00", "total": "20.00",
                    });
                }
                fixture.client.freeze(&cart).await;
            }
        }
    }
}

#[tokio::test]
async fn unknown_misspelt_and_repeated_names_are_refused() {
    let fixture = Fixture::new().await;
    for parent in [
        "",
        "/shipping_address",
        "/items/0",
        "/discounts/0",
        "/totals",
    ] {
        for (name, at) in [
            ("price", "price"),
            ("Qty", "Qty"),
            ("", ""),
            ("a/b~c", "a~1b~0c"),
        ] {
            let mut cart = fixture.cart.clone();
            cart.pointer_mut(parent).unwrap()[name] = json!(1);
            assert_eq!(fixture.put(&cart).await, [format!("{parent}/{at}")]);
        }
    }
    // A name in another case is an unknown one, and the right one is missing.
    let mut cart = removed(&fixture.cart, "/totals");
    cart["Totals"] = fixture.cart["totals"].clone();
    assert_eq!(fixture.put(&cart).await, ["/Totals", "/totals"]);
    // JSON with a name twice can't be made of a `Value`.
    let text = fixture.cart.to_string();
    for (name, path) in [
        ("currency", "/currency"),
        ("qty", "/items/0/qty"),
        ("total", "/totals/total"),
    ] {
        let start = text.find(&format!("\"{name}\":")).unwrap();
        let end = start + text[start..].find([',', '}']).unwrap();
        let field = &text[start..end];
        let twice = text.replacen(field, &format!("{field},{field}"), 1);
        let reply = fixture
            .send(&Method::PUT, "/api/v1/cart", twice.clone())
            .await;
        assert_eq!(bad_fields(&reply, &twice), [path]);
    }
    fixture.finish().await;
}

#[tokio::test]
async fn all_problems_of_a_cart_are_named_at_once() {
    let fixture = Fixture::new().await;
    let vendor = fixture.cart["discounts"][0]["vendor_store_id"].clone();
    let cart = json!({
        "currency": "dollars",
        "shipping_address": { "line1": 1, "state": "" },
        "items": [
            { "product_id": "x", "qty": 0, "unit_price": 9.5, "line_total": "-1" },
            7,
            { "product_id": Uuid::now_v7(), "vendor_store_id": vendor, "qty": 1.5, "more": 1 },
        ],
        "discounts": [
            { "vendor_store_id": vendor, "code": "A" },
            { "vendor_store_id": vendor, "code": "B" },
        ],
        "totals": { "subtotal": null, "discount_total": "1.234" },
        "note": "please",
    });

    let mut found = fixture.put(&cart).await;

    found.sort();
    let expected = [
        "/currency",
        "/discounts/1/vendor_store_id",
        "/items/0/line_total",
        "/items/0/product_id",
        "/items/0/qty",
        "/items/0/unit_price",
        "/items/0/vendor_store_id",
        "/items/1",
        "/items/2/more",
        "/items/2/qty",
        "/note",
        "/shipping_address/city",
        "/shipping_address/country",
        "/shipping_address/line1",
        "/shipping_address/postal_code",
        "/shipping_address/state",
        "/totals/discount_total",
        "/totals/subtotal",
        "/totals/total",
    ];
    assert_eq!(found, expected);
    fixture.finish().await;
}

#[tokio::test]
async fn every_wrong_value_of_every_field_of_a_checkout_is_named() {
    let fixture = Fixture::new().await;
    let cart_id = Uuid::now_v7();
    for value in wrong_values("id").into_iter().chain([json!(null)]) {
        assert_eq!(
            fixture.check_out(&json!({ "cart_id": value })).await,
            ["/cart_id"]
        );
    }
    for method in [
        json!(""),
        json!("Cash"),
        json!("CASH"),
        json!(" cash"),
        json!("card"),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!("ca\u{0}sh"),
    ] {
        let body = json!({ "cart_id": cart_id, "payment_method": method });
        assert_eq!(fixture.check_out(&body).await, ["/payment_method"]);
    }
    assert_eq!(fixture.check_out(&json!({})).await, ["/cart_id"]);
    let body = json!({ "cartId": cart_id, "payment_method": 1, "total": "0.00" });
    let mut found = fixture.check_out(&body).await;
    found.sort();
    assert_eq!(found, ["/cartId", "/cart_id", "/payment_method", "/total"]);
    let twice = format!(
        "{{\"cart_id\": \"{cart_id}\", \"cart_id\": \"{}\"}}",
        Uuid::now_v7()
    );
    let reply = fixture
        .send(&Method::POST, "/api/v1/checkout", twice.clone())
        .await;
    assert_eq!(bad_fields(&reply, &twice), ["/cart_id"]);
    fixture.finish().await;
}
