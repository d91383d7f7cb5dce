//! The report as text. It computes nothing.

mod beside;

use std::fmt::Write;

use terminal::{Table, count as human};

use crate::db::Bought;

use super::{batches::Batches, latency::Percentiles, report::Report, settings::Settings};

/// The whole report as text.
pub fn text(report: &Report) -> String {
    let mut parts = vec![
        heading(&report.settings),
        format!(
            "{}, {:.0} answers a second, over {:.1} s",
            finding(report),
            report.answers_per_second,
            report.seconds,
        ),
    ];
    parts.extend([latencies(report), outcomes(report)].map(|it| it.to_string()));
    if !report.moves.is_empty() {
        parts.push(beside::moves(report).to_string());
    }
    if let Some(counts) = &report.stock_counts {
        parts.push(beside::stock_counts(counts).to_string());
    }
    if report.bought != Bought::default() {
        parts.push(stocks(report).to_string());
    }
    parts.extend(lines(report));
    parts.extend(report.notes.iter().map(|it| format!("note: {it}")));
    parts.extend(
        report
            .complaints
            .iter()
            .map(|it| format!("NOT SOUND: {it}")),
    );
    if !report.complaints.is_empty() {
        let of_moves = report.moves.iter().flat_map(|it| &it.unexpected);
        let of_counts = report.stock_counts.iter().flat_map(|it| &it.unexpected);
        let unexpected = report.unexpected.iter().chain(of_moves).chain(of_counts);
        parts.extend(unexpected.map(|it| format!("  such as {it}")));
    }
    let verdict = if report.complaints.is_empty() {
        "The run was sound."
    } else {
        "The run was not sound."
    };
    parts.push(verdict.to_owned());
    parts.join("\n") + "\n"
}

/// The result in a few words, with the sent rate where it differs from the one that was asked for.
pub fn finding(report: &Report) -> String {
    let successes = format!("{:.0} successes a second", report.goodput_per_second);
    match report.arrivals_per_second {
        Some(rates) if report.not_sent > 0 => {
            format!(
                "{:.0} asked, {:.0} sent, {successes}",
                rates.offered, rates.sent
            )
        }
        _ => successes,
    }
}

/// The settings of the test, in a line.
pub fn heading(settings: &Settings) -> String {
    let mut text = match settings.rate {
        Some(rate) => format!("{}, {rate} arrivals a second", settings.mode),
        None => format!(
            "{}, {} clients",
            settings.mode,
            settings.clients.unwrap_or(0)
        ),
    };
    let _ = write!(
        text,
        ", {} lines of {} vendors",
        settings.lines, settings.vendors
    );
    if settings.hot_share > 0.0 {
        let _ = write!(
            text,
            ", {:.0} % of the carts with one of {} hot products",
            settings.hot_share * 100.0,
            settings.hot_products
        );
    }
    if settings.zipf > 0.0 {
        let _ = write!(text, ", Zipf {}", settings.zipf);
    }
    if let Some(rows) = &settings.stock_rows_per_s {
        let _ = write!(text, ", beside {rows} rows of stock a second");
    }
    if settings.late_orders > 0 {
        let _ = write!(text, ", beside {} late orders", settings.late_orders);
    }
    if settings.warmup_seconds > 0.0 {
        let _ = write!(text, ", after {} s of warm-up", settings.warmup_seconds);
    }
    text
}

fn latencies(report: &Report) -> Table {
    let mut table = new_table(&[
        "latency in ms",
        "count",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "max",
    ]);
    let rows = [
        ("successes", &report.latency),
        ("refusals", &report.refusals),
        ("replays", &report.replays.latency),
    ];
    for (name, latency) in rows {
        if let Some(latency) = latency {
            table.add_row(latency_row(name, latency));
        }
    }
    table
}

fn latency_row(name: &str, it: &Percentiles) -> [String; 7] {
    let ms = |value: f64| format!("{value:.1}");
    [
        name.to_owned(),
        human(it.count),
        ms(it.p50_ms),
        ms(it.p95_ms),
        ms(it.p99_ms),
        ms(it.p999_ms),
        ms(it.max_ms),
    ]
}

fn outcomes(report: &Report) -> Table {
    let mut table = new_table(&["outcome", "count"]);
    for it in &report.outcomes {
        let name = format!("{} {}", it.status, it.code);
        table.add_row([name.trim_end().to_owned(), human(it.count)]);
    }
    for it in &report.errors {
        table.add_row([format!("no answer: {}", it.error), human(it.count)]);
    }
    let rest = [
        ("not sent", report.not_sent),
        ("sent again after a refusal", report.sent_again),
        ("gave up after refusals", report.gave_up),
        ("replays, the same to the byte", report.replays.same),
        ("replays, refused", report.replays.refused),
        ("replays, wrong", report.replays.wrong),
    ];
    for (name, count) in rest.into_iter().filter(|(_, count)| *count > 0) {
        table.add_row([name.to_owned(), human(count)]);
    }
    table
}

/// Units are gone only where orders are fulfilled.
fn stocks(report: &Report) -> Table {
    let stocks = [("hot", report.stock.hot), ("others", report.stock.spread)];
    let is_any_gone = stocks.iter().any(|(_, stock)| stock.fulfilled != 0);
    let mut header = vec!["units", "products", "in stock before", "sold"];
    header.extend(is_any_gone.then_some("gone"));
    header.push("in stock after");
    let mut table = new_table(&header);
    for (name, stock) in stocks.into_iter().filter(|(_, it)| it.products > 0) {
        let mut row = vec![
            name.to_owned(),
            human(stock.products as u64),
            units(stock.available_before),
            units(stock.units),
        ];
        row.extend(is_any_gone.then(|| units(stock.fulfilled)));
        row.push(units(stock.available_after));
        table.add_row(row);
    }
    table
}

fn units(units: i64) -> String {
    u64::try_from(units).map_or_else(|_| units.to_string(), human)
}

fn lines(report: &Report) -> Vec<String> {
    let bought = report.bought;
    let mut lines = Vec::new();
    if bought.groups > 0 {
        let released = match bought.lines_released {
            0 => String::new(),
            lines => format!(", {lines} released by moves"),
        };
        lines.push(format!(
            "bought, says the database: {} checkouts, {} orders, {} lines reserved, {} rejected{released}",
            bought.groups, bought.orders, bought.lines_reserved, bought.lines_rejected
        ));
    }
    lines.extend(report.late_orders.map(beside::late_line));
    lines.extend(
        report
            .sinks
            .iter()
            .map(|(name, lag)| beside::sink_line(name, *lag)),
    );
    lines.extend(report.batches.as_ref().map(batch_line));
    lines.push(format!(
        "driver: {:.2} s of CPU ({:.0} % of a core, {:.0} µs per answer)",
        report.driver_cpu.seconds,
        report.driver_cpu.share * 100.0,
        report.driver_cpu.us_per_answer
    ));
    if let Some(rules) = report.audit["rules"].as_array() {
        let broken = rules.iter().filter(|it| it["broken"] != 0);
        let names: Vec<_> = broken
            .map(|it| {
                format!(
                    "{} ({} times)",
                    it["code"].as_str().unwrap_or("?"),
                    it["broken"]
                )
            })
            .collect();
        lines.push(if names.is_empty() {
            format!("audit: all {} rules hold", rules.len())
        } else {
            format!("audit: broken are {}", names.join(", "))
        });
    }
    lines
}

fn batch_line(batches: &Batches) -> String {
    let sizes = batches.sizes.iter().filter(|it| it.count > 0);
    let shares: Vec<_> = sizes
        .map(|it| {
            let share = it.count as f64 * 100.0 / batches.count as f64;
            format!("{share:.0} % ≤ {}", it.up_to)
        })
        .collect();
    format!(
        "batches: {}, of {:.1} checkouts on the average ({})",
        human(batches.count),
        batches.mean_size,
        shares.join(", ")
    )
}

fn new_table(header: &[&str]) -> Table {
    terminal::table(header, 1..header.len())
}
