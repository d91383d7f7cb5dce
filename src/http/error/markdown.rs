//! `docs/errors.md`, made of the tables and of real answers. `splitcart errors` prints it, and a
//! test holds the file against it.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::{
    domain::{
        rejection::{LineRejectionReason, Rejection},
        violation::ViolationCode,
    },
    http::{
        bodies::{cart::CartRequestBody, checkout::CheckoutRequestBody},
        json::{self, FieldProblem, FromJson, Node},
    },
};

use super::{Code, examples, rejections, sentences};

const HEAD: &str = "\
<!-- Made by `splitcart errors`; a test holds this file against it. -->
# Errors

Every error has the same envelope:

```json
{\"error\": {\"code\": \"…\", \"message\": \"…\", \"request_id\": \"…\", \"details\": {}}}
```

`code` is for programs and never changes its meaning. `message` is a sentence for people, and may be \
worded differently tomorrow. `request_id` is the answer's `X-Request-Id`; a report should name it. \
`details` is there where a code tells more, as its example shows.

Nothing was done when an error is answered, with one exception: after `INTERNAL` and \
`DEPENDENCY_UNAVAILABLE` it may be unknown whether a checkout went through. The same request under \
the same Idempotency-Key finds out, and never buys twice.
";

const FIELDS: &str = "\
## Field problems

`details.fields` of `VALIDATION_ERROR` has `{path, problem}` for every place that is malformed, all \
of them at once. `path` is a JSON pointer into the body (`\"\"` is the whole body), or the name of a \
header, of a query parameter, or of the part of the path. `problem` is a clause for people; programs \
mark the field. These bodies show what the readers say:
";

const VIOLATIONS: &str = "\
## Violations

`details.violations` of `CART_INVALID` and `CHECKOUT_INVALID` names every rule that is broken: \
`code`, a JSON pointer `path`, and, where it makes sense, `product_id`, `vendor_store_id`, what was \
`expected` and what was sent (`actual`).
";

const REJECTIONS: &str = "\
## Rejected lines

A checkout goes through without the lines that can't be had. They are in their orders, `rejected`, \
with `rejection`: `reason`, a `message` for people, and `available_qty` where stock was short.
";

/// Bodies with something wrong in every place.
const BAD_CART: &str = r#"{"currency": "usd", "items": [{"product_id": "x", "vendor_store_id": 1,
 "qty": 0, "unit_price": 9.5, "line_total": "9,50", "colour": "red"}], "discounts": [{}],
 "shipping_address": "at home", "totals": {"subtotal": "-1", "subtotal": "1"}}"#;
const EMPTY_CART: &str =
    r#"{"items": [], "totals": {"subtotal": "0", "discount_total": "0", "total": "0"}}"#;
const BAD_CHECKOUT: &str = r#"{"payment_method": "gold"}"#;

/// The file.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    codes(&mut page).expect("writing to a string can't fail");
    fields(&mut page).expect("writing to a string can't fail");
    violations(&mut page).expect("writing to a string can't fail");
    rejections(&mut page).expect("writing to a string can't fail");
    page
}

fn codes(page: &mut String) -> std::fmt::Result {
    writeln!(page, "\n| code | status |\n|---|---|")?;
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        writeln!(page, "| [`{name}`](#{}) | {status} |", name.to_lowercase())?;
    }
    for code in Code::ALL {
        let entry = code.entry();
        let example = pretty(&examples::body(code));
        writeln!(page, "\n## {}\n", entry.name)?;
        writeln!(page, "- **Status:** {}", entry.status)?;
        writeln!(page, "- **When:** {}", entry.when)?;
        writeln!(page, "- **What to do:** {}", entry.remedy)?;
        writeln!(page, "\n```json\n{example}\n```")?;
    }
    Ok(())
}

fn fields(page: &mut String) -> std::fmt::Result {
    let bodies = [
        (
            "PUT /api/v1/cart",
            BAD_CART,
            problems::<CartRequestBody>(BAD_CART),
        ),
        (
            "PUT /api/v1/cart",
            EMPTY_CART,
            problems::<CartRequestBody>(EMPTY_CART),
        ),
        (
            "POST /api/v1/checkout",
            BAD_CHECKOUT,
            problems::<CheckoutRequestBody>(BAD_CHECKOUT),
        ),
    ];
    write!(page, "\n{FIELDS}")?;
    for (route, body, problems) in bodies {
        writeln!(page, "\n`{route}` with\n\n```json\n{body}\n```\n")?;
        writeln!(page, "| path | problem |\n|---|---|")?;
        for FieldProblem { path, problem } in problems {
            writeln!(page, "| `{path}` | {problem} |")?;
        }
    }
    Ok(())
}

/// What a reader says about a bad body.
fn problems<T: FromJson>(body: &str) -> Vec<FieldProblem> {
    let node = Node::parse(body.as_bytes()).expect("the bad bodies are JSON");
    json::read::<T>(&node).err().unwrap_or_default()
}

fn violations(page: &mut String) -> std::fmt::Result {
    write!(page, "\n{VIOLATIONS}")?;
    writeln!(page, "\n| code | when | what to do |\n|---|---|---|")?;
    for code in ViolationCode::ALL {
        let rule = sentences::violation(code);
        let name = name(&code);
        writeln!(page, "| `{name}` | {} | {} |", rule.when, rule.remedy)?;
    }
    Ok(())
}

fn rejections(page: &mut String) -> std::fmt::Result {
    write!(page, "\n{REJECTIONS}")?;
    writeln!(
        page,
        "\n| reason | when | what to do | message |\n|---|---|---|---|"
    )?;
    for reason in LineRejectionReason::ALL {
        let rule = sentences::rejection(reason);
        let rejection = match reason {
            LineRejectionReason::InsufficientInventory => Rejection::short(4, 1),
            _ => Rejection::because(reason),
        };
        let (name, message) = (name(&reason), rejections::sentence(&rejection));
        writeln!(
            page,
            "| `{name}` | {} | {} | {message} |",
            rule.when, rule.remedy
        )?;
    }
    Ok(())
}

/// As clients see it.
fn name(code: &impl Serialize) -> String {
    let name = serde_json::to_value(code).expect("a code is JSON");
    name.as_str().expect("a code is a text").to_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("an example is JSON")
}
