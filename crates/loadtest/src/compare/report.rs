//! The report as text and JSON. It computes nothing.

use std::{fs, path::Path};

use anyhow::Context;
use serde::Serialize;
use terminal::Table;

use crate::compare::{
    bars::{Asked, Judged, Row},
    conditions::Conditions,
    figures::Round,
    floors::Finding,
    steps::Step,
};

/// Everything, as it stands in the JSON.
#[derive(Debug, Serialize)]
pub struct Everything<'a> {
    pub conditions: &'a Conditions,
    pub rounds: &'a [Round],
    pub bars: &'a [Row],
    pub floors: &'a [Finding],
}

impl Everything<'_> {
    /// Writes it.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
    }
}

/// The figures of a step, in a line.
pub fn step_line(step: Step, round: &Round) -> String {
    match step {
        Step::Crowd => round.crowd.map(|it| {
            format!(
                "{} units sold, {} buyers answered within {:.2} s, {} refusals on the way",
                it.units_sold, it.answered, it.answered_within_s, it.refusals
            )
        }),
        Step::Overload => round.overload.map(|it| {
            format!(
                "{:.0} a second of {:.0} offered; p99 of {} refusals {}; as before {:.2} s after its \
                 end; {} not sent",
                it.goodput_per_second,
                it.offered_per_second,
                it.refusals,
                it.refusal_p99_ms
                    .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
                it.recovered_after_s,
                it.not_sent
            )
        }),
        _ => round.figure(step).map(|it| {
            format!(
                "{:.0} a second, p50 {:.2} ms, p99 {:.2} ms",
                it.per_second, it.p50_ms, it.p99_ms
            )
        }),
    }
    .unwrap_or_default()
}

/// The figures of one round.
pub fn print_round(number: u32, steps: &[Step], round: &Round) {
    let mut table = new_table(&[
        &format!("round {number}"),
        "a second",
        "p50 ms",
        "p99 ms",
        "max ms",
    ]);
    for step in steps {
        if let Some(it) = round.figure(*step) {
            table.add_row([
                step.name().to_owned(),
                format!("{:.0}", it.per_second),
                format!("{:.2}", it.p50_ms),
                format!("{:.2}", it.p99_ms),
                format!("{:.2}", it.max_ms),
            ]);
        }
    }
    println!("{table}");
    for step in [Step::Crowd, Step::Overload] {
        if steps.contains(&step) {
            println!("{}: {}", step.name(), step_line(step, round));
        }
    }
    if let Some(it) = &round.large {
        let memory = it.memory_mb;
        let memory = memory.map_or_else(|| "?".to_owned(), |mb| format!("{mb:.0}"));
        println!(
            "large catalogue: {} live actors, the server had {memory} MB at most",
            it.actors
        );
    }
    if let Some(it) = round.put_away {
        println!(
            "vendors' actors: {} under load, {} left when idle",
            it.actors_under_load, it.actors_left
        );
    }
}

/// Every bar beside its figure.
pub fn print_bars(rows: &[Row]) {
    let mut table = new_table(&["bar", "asked", "min", "median", "max", ""]);
    for row in rows {
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        let judged = match (row.asked, row.judged) {
            (Asked::AtLeast(_) | Asked::AtMost(_), Judged::Worst) => ", always",
            _ => "",
        };
        let asked = match row.asked {
            Asked::AtLeast(bar) => format!("≥ {bar}{judged}"),
            Asked::AtMost(bar) => format!("≤ {bar}{judged}"),
            Asked::Exactly(bar) => format!("= {bar}"),
            Asked::Nothing => String::new(),
        };
        let figures = [row.least, row.median, row.greatest].map(number);
        let [least, median, greatest] = figures;
        table.add_row([
            row.what.to_owned(),
            asked,
            least,
            median,
            greatest,
            met.to_owned(),
        ]);
    }
    println!("{table}");
    println!(
        "Ratios are taken within a round. A bar is held against their median, one with \"always\" or \
         \"=\" against every round."
    );
}

/// Every guarded ratio beside its floor.
pub fn print_findings(findings: &[Finding]) {
    let mut table = new_table(&["ratio of medians", "recorded", "measured", ""]);
    for it in findings {
        let recorded = match (it.at_least, it.at_most) {
            (Some(bar), _) => format!("≥ {bar}"),
            (_, Some(bar)) => format!("≤ {bar}"),
            _ => String::new(),
        };
        let verdict = if it.complaint.is_some() {
            "FAILED"
        } else {
            "ok"
        };
        table.add_row([it.key, &recorded, &number(it.measured), verdict]);
    }
    println!("{table}");
    for complaint in findings.iter().filter_map(|it| it.complaint.as_ref()) {
        println!("{complaint}");
    }
}

/// Ratios need their digits, counts have none.
fn number(value: f64) -> String {
    let digits = if value >= 100.0 || value == 0.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

fn new_table(header: &[&str]) -> Table {
    terminal::table(header, 1..header.len())
}
