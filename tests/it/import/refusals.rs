//! Rows that are refused: each kind of reason, what is said, and what becomes of the rest.

use std::{fmt::Write, fs};

use serde_json::{Value, json};

use super::{ANN, BUYER, Importing, KUSH, OTHER_VENDOR, VENDOR, id};

/// Imports a file of one row; what is said of it, as `column: problem`.
fn refusal(importing: &Importing, name: &str, text: &str) -> Vec<String> {
    let file = importing.file(name, text);
    let refused = importing.files.path().join("refused.ndjson");
    let (status, report) = importing.report(&[&file, "--refused", refused.to_str().unwrap()]);
    assert_eq!(
        (status, &report["imported"]),
        (1, &json!(false)),
        "{text}\n{report}"
    );
    let lines = fs::read_to_string(&refused).unwrap();
    let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let problems = line["problems"].as_array().unwrap().iter();
    problems
        .map(|it| {
            let column = it["column"].as_str().unwrap_or("the row");
            format!("{column}: {}", it["problem"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a row per reason")]
async fn every_row_is_told_what_is_wrong_with_it() {
    let importing = Importing::of_the_examples().await;
    let before = importing.database.contents().await;
    let nobody = id();
    let product = |fields: &str| {
        format!("vendor_store_id,sku,title,price,moq,max_qty,unit\n{VENDOR},{fields}\n")
    };
    let discount = |fields: &str| {
        format!("vendor_store_id,code,kind,value,starts_at,ends_at\n{VENDOR},NEW,{fields}\n")
    };
    for (name, text, told) in [
        (
            "products.csv",
            product("X,Title,1.005,,,unit"),
            "price: must be an amount",
        ),
        (
            "products.csv",
            product("X,Title,-1,,,unit"),
            "price: must be an amount",
        ),
        (
            "products.csv",
            product("X,Title,1,0,,unit"),
            "moq: must be a whole number from 1",
        ),
        (
            "products.csv",
            product("X,Title,1,5,4,unit"),
            "max_qty: must not be less than moq, which is 5",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku,title,price,buyer_limit_days\n{VENDOR},X,Title,1,30\n"),
            "buyer_limit_days: must be empty where there is no buyer_limit_qty",
        ),
        (
            "products.csv",
            format!(
                "vendor_store_id,sku,title,price,buyer_limit_qty,buyer_limit_days\n\
                 {VENDOR},X,Title,1,5,3651\n"
            ),
            "buyer_limit_days: must be a number of days from 1 to 3650",
        ),
        (
            "products.csv",
            product("X,Title,1,,,litre"),
            "unit: must be one of unit, gram",
        ),
        (
            "products.csv",
            product("X,,1,,,unit"),
            "title: must not be empty",
        ),
        (
            "products.csv",
            product(" X,Title,1,,,unit"),
            "sku: must be 1 to 100 printable",
        ),
        (
            "products.csv",
            product("X,Title,1,,"),
            "the row: has 6 fields, but the header has 7",
        ),
        (
            "products.csv",
            "vendor_store_id,sku\nx,X\n".to_owned(),
            "vendor_store_id: must be a UUID",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku,title,price\n{nobody},X,T,1\n"),
            "vendor_store_id: no store has this id",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku,title,price\n{BUYER},X,T,1\n"),
            "vendor_store_id: is a store that buys",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku\n{VENDOR},X\n"),
            "title: is required for a product that is new",
        ),
        (
            "products.csv",
            format!("id,vendor_store_id\n{KUSH},{OTHER_VENDOR}\n"),
            "vendor_store_id: is 0195a000-0000-7000-8000-000000000101 in the database",
        ),
        (
            "products.csv",
            format!("id,vendor_store_id,sku\n{nobody},{VENDOR},FLW-OG-3.5\n"),
            "id: is not the product that has this",
        ),
        (
            "stores.csv",
            format!("id,type\n{VENDOR},buyer\n"),
            "type: is vendor in the database",
        ),
        (
            "stores.csv",
            format!("id,type,name,state\n{nobody},vendor,N,ok\n"),
            "state: must be two capitals",
        ),
        (
            "users.csv",
            "email\nann\n".to_owned(),
            "email: must be an address",
        ),
        (
            "memberships.csv",
            format!("store_id,email,role\n{BUYER},nobody@x.example,owner\n"),
            "email: no user has this address",
        ),
        (
            "memberships.csv",
            format!("store_id,user_id,role\n{BUYER},{nobody},owner\n"),
            "user_id: no user has this id",
        ),
        (
            "memberships.csv",
            format!("store_id,user_id,role\n{nobody},{ANN},boss\n"),
            "role: must be one of owner",
        ),
        (
            "licenses.csv",
            format!(
                "store_id,issuing_state,number,type,expires_on\n{BUYER},OK,N,grower,2026-02-30\n"
            ),
            "expires_on: must be a date",
        ),
        (
            "subscriptions.csv",
            format!("vendor_store_id,status,current_period_end\n{VENDOR},active,tomorrow\n"),
            "current_period_end: must be a time",
        ),
        (
            "tiers.csv",
            format!("product_id,min_qty,discount_percent\n{KUSH},5,100.01\n"),
            "discount_percent: must be a percentage",
        ),
        (
            "tiers.csv",
            format!("product_id,min_qty,discount_percent\n{KUSH},5,0\n"),
            "discount_percent: must be a percentage",
        ),
        (
            "tiers.csv",
            format!("vendor_store_id,sku,min_qty,discount_percent\n{VENDOR},NONE,5,1\n"),
            "sku: no product of this vendor",
        ),
        (
            "discounts.csv",
            discount("percentage,101,,"),
            "value: must be at most 100",
        ),
        (
            "discounts.csv",
            discount("fixed,1.005,,"),
            "value: must have at most 2 digits",
        ),
        (
            "discounts.csv",
            discount("fixed,1,2026-01-02T00:00:00Z,2026-01-02T00:00:00Z"),
            "ends_at: must be later than starts_at",
        ),
        (
            "stock.csv",
            format!("product_id,available_qty\n{nobody},5\n"),
            "product_id: no product has this id",
        ),
        (
            "stock.csv",
            format!("product_id,available_qty\n{KUSH},-5\n"),
            "available_qty: must be a whole number from 0",
        ),
        (
            "stock.csv",
            format!("product_id,available_qty\n{KUSH},2147483648\n"),
            "available_qty: must be a whole number from 0",
        ),
        (
            "stock.csv",
            format!("product_id,available_qty,on_hand_qty\n{KUSH},5,5\n"),
            "available_qty: must not be given beside",
        ),
        (
            "products.csv",
            product("X,Title,1,,,\"unit"),
            "the row: opens a quote that is never closed",
        ),
        (
            "stock.ndjson",
            "{\"product_id\": 5\n".to_owned(),
            "the row: is not a JSON object",
        ),
        (
            "stock.ndjson",
            "[1]\n".to_owned(),
            "the row: is not a JSON object",
        ),
        (
            "stock.ndjson",
            format!("{{\"product_id\": \"{KUSH}\", \"colour\": 1}}\n"),
            "colour: is not a column; known: product_id",
        ),
        (
            "stock.ndjson",
            format!("{{\"product_id\": \"{KUSH}\", \"available_qty\": 1.5}}\n"),
            "available_qty: must be a whole number",
        ),
        (
            "stock.ndjson",
            format!("{{\"product_id\": \"{KUSH}\", \"available_qty\": 1, \"available_qty\": 2}}\n"),
            "available_qty: appears twice",
        ),
        (
            "stock.ndjson",
            format!("{{\"product_id\": \"{KUSH}\", \"a\\u0000b\": 1}}\n"),
            "a\\0b: is not a column",
        ),
        (
            "tiers.csv",
            format!("id,sku,min_qty,discount_percent\n{nobody},FLW-OG-3.5,7,1\n"),
            "product_id: is required, or vendor_store_id and sku",
        ),
        (
            "stock.ndjson",
            "{\"available_qty\": 1}\n".to_owned(),
            "the row: names no stock of a product: give product_id",
        ),
    ] {
        let said = refusal(&importing, name, &text);
        assert!(
            said.iter().any(|it| it.starts_with(told)),
            "{name}: {text}{said:#?}"
        );
    }
    assert_eq!(importing.database.contents().await, before);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_row_is_told_at_once() {
    let importing = Importing::of_the_examples().await;
    let text = format!(
        "vendor_store_id,sku,title,price,moq,is_active\n{},X,T,free,0,perhaps\n",
        id()
    );
    let mut said = refusal(&importing, "products.csv", &text);
    said.sort();
    let columns: Vec<_> = said
        .iter()
        .map(|it| it.split(':').next().unwrap())
        .collect();
    assert_eq!(columns, ["is_active", "moq", "price", "vendor_store_id"]);
}

#[tokio::test]
async fn rows_about_the_same_thing_name_each_other() {
    let importing = Importing::of_the_examples().await;
    let text = format!(
        "vendor_store_id,code,kind,value\n{VENDOR},spring,fixed,1\n{VENDOR},OTHER,fixed,1\n\
         {VENDOR},Spring,fixed,2\n"
    );
    let file = importing.file("discounts.csv", text);
    let output = importing.run(&[&file]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        "line 2: is about the same discount as line 4",
        "line 4: is about the same discount as line 2",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("line 3"), "{shown}");
}

/// A file with one bad row, and one behind it.
fn files(importing: &Importing) -> [String; 2] {
    let text = format!(
        "vendor_store_id,sku,title,price\n{VENDOR},N-1,New,5\n{VENDOR},N-2,New,free\n{VENDOR},N-3,New,5\n"
    );
    [
        importing.file("products.csv", text),
        importing.file("stock.csv", format!("product_id,available_qty\n{KUSH},1\n")),
    ]
}

#[tokio::test]
async fn a_file_with_a_refused_row_changes_nothing_and_later_files_are_left_alone() {
    let importing = Importing::of_the_examples().await;
    let before = importing.database.contents().await;
    let [products, stock] = files(&importing);

    let output = importing.run(&[&stock, &products]);

    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("1 row was refused, nothing was imported."),
        "{shown}"
    );
    assert!(
        shown.contains("line 3, price: must be an amount"),
        "{shown}"
    );
    assert!(shown.contains("stock.csv was left alone"), "{shown}");
    assert_eq!(importing.database.contents().await, before);
}

#[tokio::test]
async fn whoever_keeps_going_gets_the_good_rows() {
    let importing = Importing::of_the_examples().await;
    let [products, stock] = files(&importing);

    let output = importing.run(&["--keep-going", &products, &stock]);

    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("1 row was refused, the others were imported."),
        "{shown}"
    );
    let new = "select count(*) from products where sku in ('N-1', 'N-3')";
    assert_eq!(importing.database.count(new).await, 2);
    let one = "select count(*) from inventory_items where available_qty = 1";
    assert_eq!(importing.database.count(one).await, 1);
}

#[tokio::test]
async fn twenty_refused_rows_are_shown_and_all_are_written_down() {
    let importing = Importing::of_the_examples().await;
    let mut text = "vendor_store_id,sku,price\n".to_owned();
    for nr in 0..23 {
        writeln!(text, "{VENDOR},Q-{nr},free").unwrap();
    }
    let file = importing.file("products.csv", text);
    let refused = importing.files.path().join("refused.ndjson");

    let output = importing.run(&[&file, "--refused", refused.to_str().unwrap()]);

    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("  line 21, price:") && !shown.contains("line 22"),
        "{shown}"
    );
    assert!(shown.contains("… and 3 more"), "{shown}");
    let lines = fs::read_to_string(&refused).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 23);
    assert_eq!(lines[22]["line"], json!(24));
    assert_eq!(lines[22]["row"]["sku"], "Q-22");
}

/// Whoever repairs them gets them as they were, digits and all, whatever was wrong.
#[tokio::test]
async fn refused_rows_are_handed_back_as_they_were() {
    let importing = Importing::of_the_examples().await;
    let csv = importing.file(
        "stock.csv",
        format!("product_id,available_qty\n{KUSH},1,2\n{KUSH},x\n"),
    );
    let odd = r#"{"product_id": "x", "available_qty": 1.000000000000000000001}"#;
    let ndjson = importing.file("stock.ndjson", format!("{odd}\nno JSON\n"));
    let refused = importing.files.path().join("refused.ndjson");

    let (_, report) = importing.report(&[
        "--keep-going",
        &csv,
        &ndjson,
        "--refused",
        refused.to_str().unwrap(),
    ]);

    assert_eq!(report["refused"], json!(2), "{report}");
    let text = fs::read_to_string(&refused).unwrap();
    let rows = [
        format!("\"row\":\"{KUSH},1,2\"}}"),
        format!("\"row\":{{\"product_id\":\"{KUSH}\",\"available_qty\":\"x\"}}}}"),
        format!("\"row\":{odd}}}"),
        "\"row\":\"no JSON\"}".to_owned(),
    ];
    assert_eq!(text.lines().count(), rows.len(), "{text}");
    for (line, row) in text.lines().zip(rows) {
        assert!(line.ends_with(&row), "{line}");
    }
}

/// A count of what was not done would be read as something that was.
#[tokio::test]
async fn a_refused_file_has_no_counts_of_changes() {
    let importing = Importing::of_the_examples().await;
    let [products, _] = files(&importing);
    let (_, report) = importing.report(&[&products]);
    for name in ["inserted", "updated", "unchanged"] {
        assert_eq!(report[name], Value::Null, "{report}");
    }
    assert_eq!(
        (&report["rows"], &report["refused"]),
        (&json!(3), &json!(1))
    );
}

/// What is no text at all, or too long, is a refused row like any other.
#[tokio::test]
async fn a_row_that_can_not_be_read_is_refused_alone() {
    let importing = Importing::of_the_examples().await;
    let mut text = format!("product_id,available_qty\n{KUSH},3\n").into_bytes();
    text.extend(b"\xff\xfe,1\n");
    text.extend("x".repeat(70_000).bytes());
    text.extend(b",1\n");
    let file = importing.file("stock.csv", text);

    let output = importing.run(&["--keep-going", &file]);

    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("line 3: is not UTF-8 text"), "{shown}");
    assert!(
        shown
            .contains("line 4: is longer than 65536 bytes and was skipped up to the end of line 4"),
        "{shown}"
    );
    let three = "select count(*) from inventory_items where available_qty = 3";
    assert_eq!(importing.database.count(three).await, 1);
}

/// Nobody can know whether `"24"01` is 24, 2401, or a quote too many.
#[tokio::test]
async fn text_beside_quotes_is_refused_and_no_row_is_passed_over() {
    let importing = Importing::of_the_examples().await;
    let before = importing.database.contents().await;
    for (name, text, told) in [
        (
            "stock.csv",
            format!("product_id,available_qty\n{KUSH},\"24\"01\n"),
            "the row: has a quote where none may be, on line 2",
        ),
        (
            "stock.csv",
            format!("product_id,available_qty\n\"{KUSH}\" ,24\n"),
            "the row: has a quote where none may be, on line 2",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku,title,price\n{VENDOR},P-1,3.5\" pipe,5\n"),
            "the row: has a quote where none may be, on line 2",
        ),
        // Between two quotes that were left open there is a row.
        (
            "stock.csv",
            format!("product_id,available_qty\n{KUSH},\"24\n{KUSH},5\n{KUSH},\"6\n"),
            "the row: has a quote where none may be, on line 4",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku,title,price\n{VENDOR},P-3,Blue\rDream,5\n"),
            "title: must be text",
        ),
        (
            "products.csv",
            format!("vendor_store_id,sku,title,price\n{VENDOR},P-3,Blue \u{202e}maerD,5\n"),
            "title: must be text",
        ),
    ] {
        let said = refusal(&importing, name, &text);
        assert!(
            said.iter().any(|it| it.starts_with(told)),
            "{text}{said:#?}"
        );
    }
    assert_eq!(importing.database.contents().await, before);
}

#[tokio::test]
async fn text_beside_quotes_is_refused_in_a_header_too() {
    let importing = Importing::of_the_examples().await;
    let file = importing.file(
        "stock.csv",
        format!("\"product\"_id,available_qty\n{KUSH},5\n"),
    );
    let output = importing.run(&[&file]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(
        told.contains("its header, on line 1") && told.contains("a quote where none may be"),
        "{told}"
    );
}

#[tokio::test]
async fn quotes_doubled_in_quotes_are_taken_as_they_are_meant() {
    let importing = Importing::of_the_examples().await;
    let text = format!(
        "vendor_store_id,sku,title,price\n{VENDOR},P-1,\"3.5\"\" pipe\",5\n{VENDOR},P-2,Plain,5\n"
    );
    let file = importing.file("products.csv", text);
    assert_eq!(importing.counts(&[&file]), [2, 2, 0, 0, 0]);
    let as_written = "select count(*) from products where (sku, title) in (('P-1', '3.5\" pipe'))";
    assert_eq!(importing.database.count(as_written).await, 1);
}

/// What is refused may be people's addresses.
#[tokio::test]
async fn nobody_else_can_read_what_was_refused() {
    use std::os::unix::fs::PermissionsExt;

    let importing = Importing::of_the_examples().await;
    let file = importing.file("stock.csv", format!("product_id,available_qty\n{KUSH},x\n"));
    let refused = importing.file("refused.ndjson", String::new());
    for is_there_already in [true, false] {
        if !is_there_already {
            std::fs::remove_file(&refused).unwrap();
        }
        importing.run(&["--refused", &refused, &file]);
        let mode = std::fs::metadata(&refused).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(std::fs::metadata(&refused).unwrap().len() > 0);
    }
}
