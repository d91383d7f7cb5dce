//! The plot of a test: throughput and latency percentiles over time, one above the other.

use std::path::Path;

use plotters::{coord::Shift, prelude::*, style::RelativeSize};

use super::{
    chart::{self, BLUE, Drawn, FONT, GREY, Line, ORANGE, PURPLE, Picture, RED, TITLE, chart},
    report::{Report, SecondReport},
    table,
};

/// Draws the report as a PNG or an SVG.
///
/// # Errors
/// The file can't be written.
pub fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    chart::write(report, path)
}

impl Picture for Report {
    fn charts<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        charts(self, area)
    }
}

fn charts<B: DrawingBackend>(report: &Report, area: &DrawingArea<B, Shift>) -> Drawn<B> {
    area.fill(&WHITE)?;
    let heading = table::heading(&report.settings);
    let title = format!("{heading}: {}", table::finding(report));
    let style = (FONT, TITLE).into_font();
    let area = area.margin(10, 10, 10, 20).titled(&title, style)?;
    let (upper, lower) = area.split_vertically(RelativeSize::Height(0.45));
    let seconds = report.seconds.max(1.0);
    chart(
        &upper,
        "requests and answers a second",
        seconds,
        &throughput(report),
    )?;
    chart(
        &lower,
        "latency of successes in ms",
        seconds,
        &latencies(report),
    )?;
    area.present()
}

fn throughput(report: &Report) -> Vec<Line> {
    let rate = |it: &SecondReport, count: u64| Some(count as f64 / it.length_seconds);
    let line = |name, colour, of: &dyn Fn(&SecondReport) -> Option<f64>| Line {
        name,
        colour,
        points: points(report, of),
    };
    let lines = [
        line("offered", GREY, &|it| rate(it, it.offered)),
        line("not sent", PURPLE, &|it| rate(it, it.not_sent)),
        line("successes", BLUE, &|it| rate(it, it.succeeded)),
        line("refusals", ORANGE, &|it| rate(it, it.refused)),
        line("errors", RED, &|it| rate(it, it.failed)),
    ];
    let is_shown =
        |line: &Line| line.name == "successes" || line.points.iter().any(|it| it.1 > 0.0);
    lines.into_iter().filter(is_shown).collect()
}

fn latencies(report: &Report) -> Vec<Line> {
    let line = |name, colour, of: &dyn Fn(&SecondReport) -> Option<f64>| Line {
        name,
        colour,
        points: points(report, of),
    };
    vec![
        line("p99.9", GREY, &|it| it.latency.map(|it| it.p999_ms)),
        line("p99", RED, &|it| it.latency.map(|it| it.p99_ms)),
        line("p95", ORANGE, &|it| it.latency.map(|it| it.p95_ms)),
        line("p50", BLUE, &|it| it.latency.map(|it| it.p50_ms)),
    ]
}

/// A point in the middle of each second. The rest of the last one may be too short for a
/// rate.
fn points(report: &Report, of: &dyn Fn(&SecondReport) -> Option<f64>) -> Vec<(f64, f64)> {
    let is_shown = |it: &&SecondReport| it.length_seconds >= 0.1 || report.series.len() == 1;
    let point = |it: &SecondReport| {
        let middle = it.second as f64 + it.length_seconds / 2.0;
        Some((middle, of(it)?))
    };
    report
        .series
        .iter()
        .filter(is_shown)
        .filter_map(point)
        .collect()
}
