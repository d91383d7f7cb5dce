//! The parts of the report about moves, and about work beside the load.

use terminal::Table;

use crate::{
    late_orders::LateOrdersReport, report::Report, sink_lag::Lag, stock_counts::StockCountsReport,
};

use super::{latency_row, new_table};

/// A row per kind of move, refusals apart.
pub(super) fn moves(report: &Report) -> Table {
    let header = [
        "moves, latency in ms",
        "a second",
        "count",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "max",
    ];
    let mut table = new_table(&header);
    for it in &report.moves {
        let rate = format!("{:.0}", it.goodput_per_second);
        let rows = [
            (it.kind.name().to_owned(), rate, &it.latency),
            (
                format!("{}, refused", it.kind.name()),
                String::new(),
                &it.refusals,
            ),
        ];
        for (name, rate, latency) in rows {
            if let Some(latency) = latency {
                let mut row = latency_row(&name, latency).to_vec();
                row.insert(1, rate);
                table.add_row(row);
            }
        }
    }
    table
}

/// Requests of 1,000 rows each.
pub(super) fn stock_counts(report: &StockCountsReport) -> Table {
    let header = [
        "stock counts, latency in ms",
        "rows a second",
        "count",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "max",
    ];
    let mut table = new_table(&header);
    let rate = format!("{:.0}", report.rows_per_second);
    let rows = [
        ("requests of 1,000 rows", rate, &report.latency),
        ("refused", String::new(), &report.refusals),
    ];
    for (name, rate, latency) in rows {
        if let Some(latency) = latency {
            let mut row = latency_row(name, latency).to_vec();
            row.insert(1, rate);
            table.add_row(row);
        }
    }
    table
}

/// What became of late orders.
pub(super) fn late_line(late: LateOrdersReport) -> String {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "?".to_owned(), |it| format!("{it:.0}"));
    let meanwhile = rate(late.goodput_per_second_meanwhile);
    let end = match late.seconds_until_none_left {
        Some(seconds) => format!(
            "none left after {seconds:.0} s; {meanwhile} successes a second meanwhile, {} afterwards",
            rate(late.goodput_per_second_afterwards)
        ),
        None => format!(
            "{} left at the end; {meanwhile} successes a second meanwhile",
            late.left_at_end
        ),
    };
    format!(
        "late orders: {}, {} when measuring began, {} expired a second, {end}",
        late.orders,
        late.left_at_begin,
        rate(late.expired_per_second)
    )
}

/// How far a sink of events was behind.
pub(super) fn sink_line(name: &str, lag: Lag) -> String {
    format!(
        "sink {name}: {:.0} events published; {:.0} waited at the end, {:.0} at most; the oldest waited {:.1} s, \
         {:.1} s at most",
        lag.published, lag.waiting, lag.waiting_max, lag.oldest_s, lag.oldest_s_max
    )
}
