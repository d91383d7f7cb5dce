//! The results of a test, as they stand in the JSON.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use crate::db::{Bought, Stock};

use super::{
    batches::Batches, late_orders::LateOrdersReport, latency::Percentiles, moves::MoveKind,
    options::LoadtestArgs, record::Recorder, run::Ended, settings::Settings, sink_lag::Lag,
    stock_counts::StockCountsReport,
};

/// See the module. The names are the JSON's.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub version: &'static str,
    pub settings: Settings,
    /// The window that was measured.
    pub seconds: f64,
    /// Answers within the window.
    pub answers_per_second: f64,
    /// Successes within the window.
    pub goodput_per_second: f64,
    /// Of the successes that were meant to start within the window; from then to the answer.
    pub latency: Option<Percentiles>,
    /// Of the refusals, likewise.
    pub refusals: Option<Percentiles>,
    pub replays: Replays,
    /// Successes, before and after the window, too.
    pub succeeded_in_all: u64,
    pub outcomes: Vec<OutcomeCount>,
    pub errors: Vec<ErrorCount>,
    /// Of an open loop: what was asked for, and what was sent.
    pub arrivals_per_second: Option<ArrivalRates>,
    /// Arrivals for which there was no place.
    pub not_sent: u64,
    /// Refused requests that were sent again.
    pub sent_again: u64,
    /// Clients that were refused until --timeout was over.
    pub gave_up: u64,
    /// The moves that followed the checkouts; empty in the modes that measure one request.
    pub moves: Vec<MoveReport>,
    pub stock_counts: Option<StockCountsReport>,
    pub late_orders: Option<LateOrdersReport>,
    /// What each sink has taken of the events, and how far it was behind.
    pub sinks: BTreeMap<String, Lag>,
    /// Purchases from the test's carts while it ran, by the database.
    pub bought: Bought,
    pub stock: Stocks,
    pub batches: Option<Batches>,
    pub driver_cpu: DriverCpu,
    pub audit: Value,
    pub series: Vec<SecondReport>,
    /// Why the run was not sound; empty if it was.
    pub complaints: Vec<String>,
    /// Caveats about the figures.
    pub notes: Vec<String>,
    /// The first unexpected answers.
    pub unexpected: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct ArrivalRates {
    /// By the schedule.
    pub offered: f64,
    /// For which there was a place.
    pub sent: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Replays {
    /// Answered the same, to the byte.
    pub same: u64,
    /// Answered otherwise.
    pub wrong: u64,
    /// Refused, which is no fault.
    pub refused: u64,
    pub latency: Option<Percentiles>,
}

#[derive(Clone, Debug, Serialize)]
pub struct OutcomeCount {
    pub status: u16,
    /// Of an error.
    pub code: String,
    pub count: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ErrorCount {
    pub error: String,
    pub count: u64,
}

/// The moves of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct MoveReport {
    pub kind: MoveKind,
    /// Successes within the window.
    pub goodput_per_second: f64,
    pub latency: Option<Percentiles>,
    pub refusals: Option<Percentiles>,
    pub succeeded_in_all: u64,
    pub outcomes: Vec<OutcomeCount>,
    pub errors: Vec<ErrorCount>,
    /// The first unexpected answers.
    pub unexpected: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stocks {
    pub spread: Sold,
    pub hot: Sold,
    /// Products of which units were lost or invented: available, reserved and fulfilled ones come to
    /// another sum than before.
    pub products_unbalanced: usize,
}

/// Units of some products, added up, as the database has them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sold {
    pub products: usize,
    pub available_before: i64,
    pub available_after: i64,
    pub least_available_after: i64,
    /// The reserved and the fulfilled units, less those before the test.
    pub units: i64,
    /// The fulfilled units, less those before the test.
    pub fulfilled: i64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct DriverCpu {
    pub seconds: f64,
    /// Of one core.
    pub share: f64,
    pub us_per_answer: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct SecondReport {
    pub second: usize,
    /// The last one may be shorter than a second.
    pub length_seconds: f64,
    pub succeeded: u64,
    pub refused: u64,
    pub failed: u64,
    /// Arrivals of an open loop in this second.
    pub offered: u64,
    /// Those of them for which there was no place.
    pub not_sent: u64,
    /// Of the successes answered in this second.
    pub latency: Option<Percentiles>,
}

impl Sold {
    /// Between two looks at the same products.
    pub fn between(products: usize, before: Stock, after: Stock) -> Self {
        Self {
            products,
            available_before: before.available,
            available_after: after.available,
            least_available_after: after.least_available,
            units: after.reserved + after.fulfilled - before.reserved - before.fulfilled,
            fulfilled: after.fulfilled - before.fulfilled,
        }
    }
}

impl MoveReport {
    /// The measurements of one kind, whose window has the length of the whole test's.
    pub fn of(kind: MoveKind, recorder: &Recorder, seconds: f64) -> Self {
        Self {
            kind,
            goodput_per_second: per_second(recorder.window.succeeded, seconds),
            latency: Percentiles::of(recorder.succeeded()),
            refusals: Percentiles::of(recorder.refused()),
            succeeded_in_all: recorder.succeeded_ever,
            outcomes: outcomes(recorder),
            errors: errors(recorder),
            unexpected: recorder.examples.clone(),
        }
    }
}

impl Report {
    /// Puts together what the driver, the server, the database and the audit say; nothing is judged
    /// yet.
    pub fn of(
        args: &LoadtestArgs,
        recorder: &Recorder,
        ended: &Ended,
        bought: Bought,
        stock: Stocks,
        audit: Value,
    ) -> Self {
        let seconds = recorder.length().as_secs_f64();
        let per_second = |count| per_second(count, seconds);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            settings: Settings::of(args),
            seconds,
            answers_per_second: per_second(recorder.window.all()),
            goodput_per_second: per_second(recorder.window.succeeded),
            latency: Percentiles::of(recorder.succeeded()),
            refusals: Percentiles::of(recorder.refused()),
            replays: Replays {
                same: recorder.replayed().len(),
                wrong: recorder.replays_wrong,
                refused: recorder.replays_refused,
                latency: Percentiles::of(recorder.replayed()),
            },
            succeeded_in_all: recorder.succeeded_ever,
            outcomes: outcomes(recorder),
            errors: errors(recorder),
            arrivals_per_second: args.load.rate.map(|_| ArrivalRates {
                offered: per_second(recorder.arrivals.all()),
                sent: per_second(recorder.arrivals.sent),
            }),
            not_sent: recorder.arrivals.not_sent,
            sent_again: recorder.sent_again,
            gave_up: recorder.gave_up,
            moves: Vec::new(),
            stock_counts: None,
            late_orders: None,
            sinks: BTreeMap::new(),
            bought,
            stock,
            batches: ended.batches.clone().unwrap_or_default(),
            driver_cpu: DriverCpu::of(recorder, ended),
            audit,
            series: series(recorder),
            complaints: Vec::new(),
            notes: Vec::new(),
            unexpected: recorder.examples.clone(),
        }
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
        fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
    }
}

impl DriverCpu {
    fn of(recorder: &Recorder, ended: &Ended) -> Self {
        let cpu = ended.cpu.as_secs_f64();
        let window = ended.cpu_window.as_secs_f64();
        let answers = recorder.window.all() + recorder.replayed().len();
        Self {
            seconds: cpu,
            share: if window > 0.0 { cpu / window } else { 0.0 },
            us_per_answer: cpu * 1e6 / (answers.max(1) as f64),
        }
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

pub fn outcomes(recorder: &Recorder) -> Vec<OutcomeCount> {
    let outcomes = recorder.outcomes.iter();
    let outcomes = outcomes.map(|((status, code), count)| OutcomeCount {
        status: *status,
        code: code.clone(),
        count: *count,
    });
    outcomes.collect()
}

pub fn errors(recorder: &Recorder) -> Vec<ErrorCount> {
    let errors = recorder.errors.iter();
    let errors = errors.map(|(error, count)| ErrorCount {
        error: error.clone(),
        count: *count,
    });
    errors.collect()
}

fn series(recorder: &Recorder) -> Vec<SecondReport> {
    let seconds = recorder.series().iter().enumerate();
    seconds
        .map(|(second, it)| SecondReport {
            second,
            length_seconds: it.length.as_secs_f64(),
            succeeded: it.counts.succeeded,
            refused: it.counts.refused,
            failed: it.counts.failed,
            offered: it.arrivals.all(),
            not_sent: it.arrivals.not_sent,
            latency: it.percentiles,
        })
        .collect()
}
