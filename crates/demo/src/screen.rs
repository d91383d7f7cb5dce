//! The headings and small tables that the demo prints.

use std::{io::Write, path::Path};

use serde_json::Value;
use terminal::Table;

/// Prints the last line; the terminal may have been closed by then.
pub(super) fn farewell(data_dir: &Path) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "\nstopped; data kept in {}", data_dir.display());
}

/// The heading of a scene.
pub(super) fn heading(number: usize, text: &str) {
    println!("\n{number}. {text}");
}

/// A checkout: a row per line, a row per order.
pub(super) fn checkout(data: &Value) {
    println!("   checkout group {}", text(&data["checkout_group_id"]));
    orders(list(&data["vendor_orders"]));
    println!(
        "   subtotal {}  -  discounts {}  =  total {}  (a line's total is before its vendor's code)",
        text(&data["subtotal"]),
        text(&data["discount_total"]),
        text(&data["total"]),
    );
}

/// Orders with their lines.
pub(super) fn orders(orders: &[Value]) {
    let mut table = new_table(&["order", "vendor / product", "qty", "total", "status"]);
    for order in orders {
        table.add_row([
            text(&order["order_id"]),
            text(&order["vendor_name"]),
            String::new(),
            text(&order["total"]),
            text(&order["status"]),
        ]);
        for line in list(&order["items"]) {
            let rejection = &line["rejection"];
            let status = if rejection.is_null() {
                text(&line["status"])
            } else {
                format!("rejected: {}", text(&rejection["reason"]))
            };
            table.add_row([
                String::new(),
                format!("  {}", text(&line["title"])),
                line["qty"].to_string(),
                text(&line["total"]),
                status,
            ]);
        }
    }
    println!("{}", indented(&table));
}

/// The stock of products: a row per product, a column per step.
pub(super) fn stock(titles: &[String], steps: &[(&'static str, Vec<String>)]) {
    let names = steps.iter().map(|(name, _)| *name);
    let header: Vec<_> = ["product"].into_iter().chain(names).collect();
    let mut table = terminal::table(&header, 1..header.len());
    for (number, title) in titles.iter().enumerate() {
        let figures = steps.iter().map(|(_, figures)| figures[number].clone());
        table.add_row([title.clone()].into_iter().chain(figures));
    }
    println!("{}", indented(&table));
}

/// A frozen cart: a row per vendor.
pub(super) fn cart(data: &Value) {
    println!(
        "   cart {} (version {})",
        text(&data["id"]),
        data["version"]
    );
    let mut table = new_table(&["vendor", "subtotal", "discounts", "total", "code"]);
    for group in list(&data["vendor_groups"]) {
        table.add_row([
            text(&group["vendor_name"]),
            text(&group["subtotal"]),
            text(&group["discount_total"]),
            text(&group["total"]),
            text(&group["store_discount"]["code"]),
        ]);
    }
    println!("{}", indented(&table));
}

/// Names and values.
pub(super) fn facts(facts: &[(&str, String)]) {
    let mut table = terminal::table(&[], []);
    for (name, value) in facts {
        table.add_row([*name, value]);
    }
    println!("{}", indented(&table));
}

fn new_table(header: &[&str]) -> Table {
    terminal::table(header, [2, 3])
}

fn indented(table: &Table) -> String {
    table
        .to_string()
        .lines()
        .map(|line| format!("   {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
