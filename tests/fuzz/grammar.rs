//! Bodies by a grammar: nearly always JSON, made of the contract's own names, with odd values where
//! others are expected.

use std::{fmt::Write, time::Duration};

use crate::bodies;

/// A body, and the choices that made it.
fn written(bytes: &[u8]) -> String {
    let mut out = String::new();
    body(&mut Choices(bytes), &mut out);
    out
}

#[test]
fn bodies_of_the_contracts_names() {
    bolero::check!(name = "grammar")
        .with_test_time(Duration::from_secs(1))
        .with_type::<Vec<u8>>()
        .map(|choices| written(&choices))
        .for_each(|text| bodies::check(text.as_bytes()));
}

/// The names of the contract, by the object that has them.
const CART: &[&str] = &[
    "currency",
    "shipping_address",
    "items",
    "discounts",
    "totals",
];
const ITEM: &[&str] = &[
    "product_id",
    "vendor_store_id",
    "qty",
    "unit_price",
    "line_total",
];
const CHECKOUT: &[&str] = &[
    "cart_id",
    "payment_method",
    "shortage_policy",
    "expected_total",
    "expected_version",
];
const TOTALS: &[&str] = &["subtotal", "discount_total", "total"];
const ADDRESS: &[&str] = &["line1", "line2", "city", "state", "postal_code", "country"];
const DISCOUNT: &[&str] = &["vendor_store_id", "code"];

fn body(choices: &mut Choices<'_>, out: &mut String) {
    let names = choices.pick(&[CART, CHECKOUT]);
    object(choices, names, 0, out);
}

/// An object of these names in order, some missing, some twice, some unknown.
fn object(choices: &mut Choices<'_>, names: &[&str], depth: usize, out: &mut String) {
    out.push('{');
    let mut is_first = true;
    for name in names {
        let times = choices.pick(&[1, 1, 1, 1, 1, 1, 1, 0, 2, 70]);
        for _ in 0..times {
            let unknown = choices.one_of(16) == 15;
            out.push_str(if is_first { "" } else { "," });
            is_first = false;
            let name = if unknown {
                choices.pick(&ODD_NAMES)
            } else {
                name
            };
            out.push_str(&serde_json::to_string(name).unwrap());
            out.push(':');
            value(choices, name, depth + 1, out);
        }
    }
    out.push('}');
}

const ODD_NAMES: [&str; 7] = ["", "~", "a/b", "\u{0}", "é", "items ", "\"\\"];

/// A value that belongs to a name, or another one.
fn value(choices: &mut Choices<'_>, name: &str, depth: usize, out: &mut String) {
    if depth > 6 || choices.one_of(12) == 11 {
        return odd(choices, out);
    }
    match name {
        "items" => list(choices, ITEM, depth, out),
        "discounts" => list(choices, DISCOUNT, depth, out),
        "totals" => object(choices, TOTALS, depth, out),
        "shipping_address" => object(choices, ADDRESS, depth, out),
        "qty" | "expected_version" => out.push_str(choices.pick(&NUMBERS)),
        "product_id" | "vendor_store_id" | "cart_id" => out.push_str(choices.pick(&IDS)),
        "payment_method" => {
            out.push_str(choices.pick(&["\"cash\"", "\"ach\"", "\"CASH\"", "null"]));
        }
        "shortage_policy" => out.push_str(choices.pick(&["\"fill\"", "\"reject_line\"", "\"\""])),
        "currency" => out.push_str(choices.pick(&["\"USD\"", "\"usd\"", "\"ÜSD\"", "null"])),
        "code" | "line1" | "line2" | "city" | "state" | "postal_code" | "country" => {
            text(choices, out);
        }
        _ => out.push_str(choices.pick(&AMOUNTS)),
    }
}

fn list(choices: &mut Choices<'_>, names: &[&str], depth: usize, out: &mut String) {
    let len = choices.pick(&[1, 2, 3, 0, 7, 201]);
    out.push('[');
    for index in 0..len {
        out.push_str(if index > 0 { "," } else { "" });
        if index < 10 {
            object(choices, names, depth, out);
        } else {
            out.push_str("{}");
        }
    }
    out.push(']');
}

fn text(choices: &mut Choices<'_>, out: &mut String) {
    let piece = choices.pick(&[
        "a",
        "é",
        "e\u{301}",
        " ",
        "\\u0000",
        "\\n",
        "\\\"",
        "\u{1f600}",
        "ﬁ",
        "~",
    ]);
    let times = choices.pick(&[1, 3, 0, 200, 201, 255, 256, 3_000]);
    write!(out, "\"{}\"", piece.repeat(times)).unwrap();
}

fn odd(choices: &mut Choices<'_>, out: &mut String) {
    match choices.one_of(8) {
        0 => out.push_str("null"),
        1 => out.push_str(choices.pick(&NUMBERS)),
        2 => text(choices, out),
        3 => {
            let depth = choices.pick(&[1, 100, 120, 127, 128, 1_000]);
            write!(out, "{}{}", "[".repeat(depth), "]".repeat(depth)).unwrap();
        }
        4 => {
            let depth = choices.pick(&[1, 100, 120, 127]);
            write!(out, "{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)).unwrap();
        }
        5 => out.push_str("[]"),
        6 => out.push_str("false"),
        _ => {
            let digits = choices.pick(&[1, 18, 19, 20, 300, 5_000]);
            write!(out, "1{}", "0".repeat(digits)).unwrap();
        }
    }
}

const NUMBERS: [&str; 17] = [
    "1",
    "10",
    "2147483647",
    "10.0",
    "1e1",
    "-0",
    "0",
    "2147483648",
    "-1",
    "1.5",
    "1e999",
    "1e-999",
    "0.1e1",
    "2147483647.0000000001",
    "9223372036854775808",
    "100000000000000000000000",
    "0e5",
];
const AMOUNTS: [&str; 9] = [
    "\"0.01\"",
    "\"1.00\"",
    "\"999999999999.99\"",
    "\"1\"",
    "\"-1.00\"",
    "\"1.005\"",
    "\"\"",
    "1.00",
    "\"1e2\"",
];
const IDS: [&str; 5] = [
    "\"01980c5e-0000-7000-8000-000000000001\"",
    "\"01980c5e-0000-7000-8000-000000000002\"",
    "\"01980C5E-0000-7000-8000-00000000000A\"",
    "\"{1980c5e-0000-7000-8000-000000000001\"",
    "\"01980c5e000070008000000000000001\"",
];

/// Bytes that decide, one after the other, what a grammar writes; after the last byte all are zero.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    /// A number below `count`.
    fn one_of(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % count
    }

    /// An element of a list.
    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.one_of(list.len())]
    }
}
