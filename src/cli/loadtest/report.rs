//! What a test has found: as a table, and as JSON.

use std::{path::Path, time::Duration};

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::HumanCount;
use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

use crate::db::loadtest::{Bought, Stock};

use super::record::{Percentiles, Recorder};

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub seconds: f64,
    pub answers_per_second: f64,
    pub goodput_per_second: f64,
    pub succeeded: u64,
    pub latency: Option<Percentiles>,
    pub refusals: Option<Percentiles>,
    pub replays: Option<Percentiles>,
    pub replays_wrong: u64,
    pub outcomes: Vec<OutcomeCount>,
    pub errors: Vec<(String, u64)>,
    pub examples: Vec<String>,
    pub groups_created: i64,
    pub lines_reserved: i64,
    pub lines_rejected: i64,
    pub spread: Sold,
    pub hot: Sold,
    pub driver_cpu_seconds: f64,
    pub series: Vec<SecondReport>,
    pub complaints: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct OutcomeCount {
    pub status: u16,
    pub code: String,
    pub count: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Sold {
    pub stock_before: i64,
    pub stock_after: i64,
    pub sold: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct SecondReport {
    pub second: usize,
    pub length: f64,
    pub succeeded: u64,
    pub refused: u64,
    pub failed: u64,
    pub latency: Option<Percentiles>,
}

impl Report {
    /// Puts together what the driver and the database say.
    pub fn of(
        recorder: &Recorder,
        before: (Stock, Stock),
        after: (Stock, Stock),
        bought: Bought,
        cpu: Duration,
    ) -> Self {
        let seconds = recorder.length().as_secs_f64();
        let sold = |before: Stock, after: Stock| Sold {
            stock_before: before.available,
            stock_after: after.available,
            sold: after.reserved - before.reserved,
        };
        let outcomes = recorder.outcomes.iter();
        let series = recorder.series().iter().enumerate();
        let mut report = Self {
            seconds,
            answers_per_second: recorder.window.all() as f64 / seconds,
            goodput_per_second: recorder.window.succeeded as f64 / seconds,
            succeeded: recorder.succeeded_ever,
            latency: Percentiles::of(recorder.succeeded()),
            refusals: Percentiles::of(recorder.refused()),
            replays: Percentiles::of(recorder.replayed()),
            replays_wrong: recorder.replays_wrong,
            outcomes: outcomes
                .map(|((status, code), count)| OutcomeCount {
                    status: *status,
                    code: code.clone(),
                    count: *count,
                })
                .collect(),
            errors: recorder.errors.clone().into_iter().collect(),
            examples: recorder.examples.clone(),
            groups_created: bought.groups,
            lines_reserved: bought.lines_reserved,
            lines_rejected: bought.lines_rejected,
            spread: sold(before.0, after.0),
            hot: sold(before.1, after.1),
            driver_cpu_seconds: cpu.as_secs_f64(),
            series: series
                .map(|(second, it)| SecondReport {
                    second,
                    length: it.length.as_secs_f64(),
                    succeeded: it.counts.succeeded,
                    refused: it.counts.refused,
                    failed: it.counts.failed,
                    latency: it.percentiles,
                })
                .collect(),
            complaints: Vec::new(),
        };
        report.complain();
        report
    }

    fn complain(&mut self) {
        let mut complaints = Vec::new();
        for outcome in &self.outcomes {
            if !matches!(outcome.status, 200 | 201 | 429 | 503) {
                complaints.push(format!(
                    "{} answers with {} {}",
                    outcome.count, outcome.status, outcome.code
                ));
            }
        }
        for (error, count) in &self.errors {
            complaints.push(format!("{count} requests without an answer: {error}"));
        }
        if self.groups_created != self.succeeded.cast_signed() && self.errors.is_empty() {
            complaints.push(format!(
                "{} checkouts were answered with 201, and the database has {} of them",
                self.succeeded, self.groups_created
            ));
        }
        for (name, sold) in [("spread", &self.spread), ("hot", &self.hot)] {
            if sold.stock_after < 0 || sold.stock_before - sold.sold != sold.stock_after {
                complaints.push(format!("the stock of the {name} products does not add up"));
            }
        }
        self.complaints = complaints;
    }

    /// Prints the table.
    pub fn print(&self) {
        println!("{}", self.table());
        for complaint in &self.complaints {
            println!("NOT SOUND: {complaint}");
        }
        for example in &self.examples {
            println!("  such as {example}");
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_header(["", "count", "p50 ms", "p95", "p99", "p99.9", "max"]);
        for (name, latency) in [
            ("answered with success", &self.latency),
            ("refused", &self.refusals),
            ("replayed", &self.replays),
        ] {
            if let Some(it) = latency {
                let ms = |value: f64| format!("{value:.1}");
                table.add_row([
                    name.to_owned(),
                    HumanCount(it.count).to_string(),
                    ms(it.p50_ms),
                    ms(it.p95_ms),
                    ms(it.p99_ms),
                    ms(it.p999_ms),
                    ms(it.max_ms),
                ]);
            }
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!(
            "{:.0} successes/s, {:.0} answers/s over {:.1} s; the driver used {:.2} s of CPU",
            self.goodput_per_second, self.answers_per_second, self.seconds, self.driver_cpu_seconds
        );
        println!(
            "in the database: {} groups, {} lines reserved, {} rejected; units sold: {} spread, {} hot \
             (of {})",
            self.groups_created,
            self.lines_reserved,
            self.lines_rejected,
            self.spread.sold,
            self.hot.sold,
            self.hot.stock_before
        );
        table
    }

    /// Writes everything to a file, or to stdout.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        if path == Path::new("-") {
            print!("{text}");
            return Ok(());
        }
        std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
    }
}

/// What this process has spent.
pub fn cpu_spent() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let time = |it: nix::sys::time::TimeVal| {
            let micros = it.tv_sec() * 1_000_000 + it.tv_usec();
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        };
        time(usage.user_time()) + time(usage.system_time())
    })
}
