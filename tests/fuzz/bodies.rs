//! Bodies of PUT cart, quote, checkout and preview.

use actix_web::{ResponseError, body::MessageBody};
use serde_json::Value;
use splitcart::{
    http::{
        bodies::{cart::CartRequestBody, checkout::CheckoutRequestBody, quote::QuoteRequestBody},
        error::ApiError,
        json::{self, FromJson, MEMBERS_MAX, Node, PROBLEMS_MAX},
    },
    idempotency::fingerprint,
};

use crate::fuzz_support::{self, fuzz};

/// The largest error, in bytes.
const ERROR_LEN_MAX: usize = 64 * 1024;

const WORDS: &[&str] = &[
    "\"items\":",
    "\"totals\":",
    "\"qty\":",
    "\"cart_id\":",
    "\"discounts\":",
    "\"shipping_address\":",
    "\"expected_version\":",
    "\"unit_price\":\"0.01\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\\",
    "\"",
    " ",
    "\n",
    "\u{feff}",
    "~1",
    "{\"\":1}",
    "[[[[[[[[",
    "1.",
    "-",
];

fuzz!("bodies", WORDS, check);

/// Checks the properties of every body.
pub fn check(bytes: &[u8]) {
    let node = Node::parse(bytes);
    let value = serde_json::from_slice::<Value>(bytes);
    let node = match (node, value) {
        (Err(error), Ok(_)) => {
            let is_large = error.to_string().contains("members");
            assert!(is_large, "JSON to serde_json, and to us: {error}");
            return;
        }
        (Ok(node), Err(error)) => panic!("{node:?} to us, and to serde_json: {error}"),
        (Err(_), Err(_)) => return,
        (Ok(node), Ok(value)) => {
            assert_same(&node, &value);
            node
        }
    };
    let canonical = node.canonical();
    let again = Node::parse(canonical.as_bytes())
        .unwrap_or_else(|error| panic!("no JSON: {canonical}: {error}"));
    assert_eq!(again.canonical(), canonical);
    check_reader::<CartRequestBody>(&node, &again);
    check_reader::<QuoteRequestBody>(&node, &again);
    check_reader::<CheckoutRequestBody>(&node, &again);
    if has_names_once(&node) {
        let mut spread = String::new();
        write_backwards(&node, &mut spread);
        let spread = Node::parse(spread.as_bytes()).unwrap().canonical();
        assert_eq!(
            fingerprint::of_body(&spread),
            fingerprint::of_body(&canonical),
            "{canonical}"
        );
    }
}

/// A reader gives the same result for a body and for its canonical form, and never more than fits.
fn check_reader<T: FromJson + std::fmt::Debug>(node: &Node, canonical: &Node) {
    match (json::read::<T>(node), json::read::<T>(canonical)) {
        (Ok(one), Ok(other)) => assert_eq!(format!("{one:?}"), format!("{other:?}")),
        (Err(problems), Err(_)) => {
            // The last one counts the omitted ones.
            assert!(
                (1..=PROBLEMS_MAX + 1).contains(&problems.len()),
                "{}",
                problems.len()
            );
            let answer = ApiError::malformed(&problems).error_response();
            let body = answer.into_body().try_into_bytes().unwrap();
            assert!(
                body.len() <= ERROR_LEN_MAX,
                "an error of {} bytes",
                body.len()
            );
        }
        (one, other) => panic!("{one:?} of {node:?}, {other:?} of its canonical form"),
    }
}

/// Values in both are equal; `serde_json` keeps the last of members with the same name.
fn assert_same(node: &Node, value: &Value) {
    match (node, value) {
        (Node::Null, Value::Null) => {}
        (Node::Bool(one), Value::Bool(other)) => assert_eq!(one, other),
        (Node::String(one), Value::String(other)) => assert_eq!(one, other),
        (Node::Number(one), Value::Number(other)) => assert_eq!(one, other),
        (Node::Decimal(text), Value::Number(other)) => {
            let (one, other): (f64, _) = (text.parse().unwrap(), other.as_f64().unwrap());
            assert!(
                (one - other).abs() <= other.abs() * 1e-12,
                "{text} is not {other}"
            );
            if let Some(whole) = node.whole() {
                #[expect(clippy::cast_precision_loss, reason = "compared as floats")]
                let whole = whole as f64;
                assert!(
                    (whole - other).abs() <= other.abs() * 1e-12,
                    "{text} is not {whole}"
                );
            }
        }
        (Node::Array(ones), Value::Array(others)) => {
            assert_eq!(ones.len(), others.len());
            ones.iter()
                .zip(others)
                .for_each(|(one, other)| assert_same(one, other));
        }
        (Node::Object(members), Value::Object(others)) => {
            assert!(members.len() <= MEMBERS_MAX);
            for (name, other) in others {
                let (_, last) = members.iter().rfind(|(it, _)| it == name).unwrap();
                assert_same(last, other);
            }
            assert!(members.iter().all(|(name, _)| others.contains_key(name)));
        }
        (node, value) => panic!("{node:?} is not {value:?}"),
    }
}

fn has_names_once(node: &Node) -> bool {
    match node {
        Node::Array(items) => items.iter().all(has_names_once),
        Node::Object(members) => members.iter().enumerate().all(|(index, (name, node))| {
            members[..index].iter().all(|(it, _)| it != name) && has_names_once(node)
        }),
        _ => true,
    }
}

/// Writes the node with its members in the opposite order, and with white space wherever JSON allows it.
fn write_backwards(node: &Node, out: &mut String) {
    match node {
        Node::Array(items) => {
            out.push_str(" [\n");
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "\t," } else { "" });
                write_backwards(item, out);
            }
            out.push_str("\r\n]");
        }
        Node::Object(members) => {
            out.push_str(" {\t");
            for (index, (name, node)) in members.iter().rev().enumerate() {
                out.push_str(if index > 0 { " ,\n" } else { "" });
                out.push_str(&serde_json::to_string(name).unwrap());
                out.push_str(" :\r");
                write_backwards(node, out);
            }
            out.push_str(" }");
        }
        Node::Decimal(text) => out.push_str(text),
        other => out.push_str(&other.canonical()),
    }
}
