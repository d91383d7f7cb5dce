//! The meaning of each value of an enumeration: for people in its description, for generators of clients as
//! `x-enum-descriptions`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    domain::{rejection::LineRejectionReason, violation::ViolationCode},
    http::error::sentences,
};

/// An order's statuses; the vendor's work moves it from one to the next.
const ORDER: [(&str, &str); 11] = [
    ("created_pending", "Placed, and not answered by its vendor."),
    (
        "rejected",
        "Nothing of it can be had, or its vendor refuses it.",
    ),
    ("accepted", "Its vendor delivers all of it."),
    (
        "partially_accepted",
        "Its vendor delivers some of its lines.",
    ),
    ("fulfilled", "Its vendor has handed it over."),
    ("hold", "Stopped for now."),
    ("in_transit", "On its way."),
    ("delivered", "With its buyer."),
    ("closed", "Delivered and paid: nothing is left to do."),
    ("canceled", "Called off by its buyer."),
    ("expired", "Not answered by its vendor in time."),
];

/// A filter's values.
const PERSPECTIVES: [(&str, &str); 2] = [
    ("buyer", "Orders that your store has placed."),
    ("vendor", "Orders that your store is to fulfil."),
];

const SHORTAGE_POLICIES: [(&str, &str); 4] = [
    (
        "reject_line",
        "The line is rejected, the rest goes through.",
    ),
    (
        "fill",
        "What there is of the line is reserved, and the rest of it is rejected.",
    ),
    (
        "reject_vendor",
        "Its vendor's order goes through whole or not at all.",
    ),
    (
        "all_or_nothing",
        "The checkout goes through whole or not at all.",
    ),
];

/// The reasons why an item of a stock count is refused.
const COUNT_REFUSALS: [(&str, &str); 6] = [
    (
        "product_not_found",
        "You have no such product; it may be another vendor's.",
    ),
    (
        "duplicate_product",
        "An item before this one names the product, too, refused or not.",
    ),
    (
        "below_reserved",
        "`on_hand_qty` is less than what is reserved for orders.",
    ),
    ("below_zero", "`delta_qty` takes away more than there is."),
    (
        "too_large",
        "Available and reserved units together would exceed 2147483647.",
    ),
    (
        "version_mismatch",
        "The stock has another version than `if_version`: it was counted or imported meanwhile.",
    ),
];

/// The reasons why an endpoint of webhooks gets nothing.
const DISABLED_REASONS: [(&str, &str); 3] = [
    (
        "switched_off",
        "A member of your store has switched it off.",
    ),
    ("failing", "Every attempt of five days has failed."),
    ("gone", "It has answered 410."),
];

/// The side whose orders are listed.
pub fn perspective() -> Value {
    json!({
        "type": "string",
        "description": "The side from which orders are seen.",
        "enum": PERSPECTIVES.map(|(value, _)| value),
    })
}

/// Adds to every enumeration that is known here what its values mean.
pub fn explain(schemas: &mut Map<String, Value>) {
    let owned = |table: &[(&str, &'static str)]| {
        let owned = |(value, meaning): &(&str, &'static str)| ((*value).to_owned(), *meaning);
        table.iter().map(owned).collect::<Vec<_>>()
    };
    let violations = ViolationCode::ALL.map(|code| (name(&code), sentences::violation(code).when));
    let rejections =
        LineRejectionReason::ALL.map(|reason| (name(&reason), sentences::rejection(reason).when));
    for (schema, meanings) in [
        ("ViolationCode", violations.to_vec()),
        ("LineRejectionReason", rejections.to_vec()),
        ("OrderStatus", owned(&ORDER)),
        ("OrderPerspective", owned(&PERSPECTIVES)),
        ("ShortagePolicy", owned(&SHORTAGE_POLICIES)),
        ("CountRefusal", owned(&COUNT_REFUSALS)),
        ("DisabledReason", owned(&DISABLED_REASONS)),
    ] {
        let schema = schemas.get_mut(schema).expect("a test looks at each");
        explain_one(schema, &meanings);
    }
}

/// In the order in which the enumeration has them.
fn explain_one(schema: &mut Value, meanings: &[(String, &'static str)]) {
    let values = schema["enum"].as_array().cloned().unwrap_or_default();
    let meaning = |value: &Value| {
        let known = meanings.iter().find(|(known, _)| value == known);
        known.map_or("", |(_, meaning)| meaning)
    };
    let described: Vec<_> = values.iter().map(meaning).collect();
    let mut text = schema["description"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for (value, meaning) in values.iter().zip(&described) {
        let value = value.as_str().unwrap_or_default();
        text.extend(["\n- `", value, "`: ", meaning]);
    }
    schema["description"] = json!(text);
    schema["x-enum-descriptions"] = json!(described);
}

/// As clients see it.
fn name(value: &impl Serialize) -> String {
    let name = json!(value);
    name.as_str().expect("a word is a text").to_owned()
}
