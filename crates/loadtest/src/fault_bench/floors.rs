//! The guard: the first rows against the floors in `crates/loadtest/fault_floors.toml`. These are far
//! below measurements on a quiet machine, but a neighbour can be worse than any floor. So a row that
//! falls below is measured a second time, and the check fails only if it falls below again.
//! Answers or data that are wrong are wrong the first time. Pure, but for the output.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Deserialize;

use crate::{
    bench,
    fault_bench::{judge::Measured, rows::Row},
};

/// The recorded limits of a row.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The least share of the others' rate.
    share: f64,
    /// The greatest p99 of the others, as a multiple of theirs before.
    p99_times: f64,
    /// The longest time until their rate is back at that of the quiet phase's slow moments.
    back_s: f64,
}

/// By the rows' keys.
pub type Floors = BTreeMap<String, Floor>;

/// Reads `fault_floors.toml`.
pub fn read(text: &str) -> anyhow::Result<Floors> {
    let guarded = Row::value_variants().iter().filter(|row| row.is_guarded());
    let keys: Vec<_> = guarded.map(|row| row.key()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    bench::floors::read(text, &keys, "row")
}

/// What the guard finds, in sentences.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Why it fails.
    pub complaints: Vec<String>,
    /// Rows that were below their floors once, but not twice.
    pub once: Vec<String>,
}

/// The rows that have to be measured a second time.
pub fn to_repeat(rows: &[Measured], floors: &Floors) -> Vec<Row> {
    let below = rows.iter().filter(|row| !below(row, floors).is_empty());
    below.map(|row| row.row).collect()
}

/// Holds rows against their floors. A row may be there twice; then it must be below its floor both times.
pub fn check(rows: &[Measured], floors: &Floors) -> Verdict {
    let mut verdict = Verdict::default();
    for row in Row::value_variants() {
        let key = row.key();
        let readings: Vec<_> = rows.iter().filter(|it| it.row == *row).collect();
        for reading in &readings {
            let texts = wrong(reading).into_iter();
            verdict
                .complaints
                .extend(texts.map(|text| format!("{key}: {text}")));
        }
        let below: Vec<_> = readings.iter().map(|it| below(it, floors)).collect();
        let is_below_each_time = below.iter().all(|texts| !texts.is_empty());
        for (number, texts) in below.into_iter().enumerate() {
            let time = match (readings.len(), number) {
                (1, _) => "",
                (_, 0) => "at first, ",
                _ => "again, ",
            };
            let texts = texts.into_iter().map(|text| format!("{key}: {time}{text}"));
            if is_below_each_time {
                verdict.complaints.extend(texts);
            } else {
                verdict.once.extend(texts);
            }
        }
    }
    verdict
}

/// What no machine excuses.
fn wrong(row: &Measured) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(audit) = &row.found.audit {
        texts.push(format!("the audit finds something broken:\n{audit}"));
    }
    if let Some(more) = row.found.lost_or_doubled {
        texts.push(format!(
            "the database has {more:+} checkouts against the answers"
        ));
    }
    if row.found.undecided > 0 {
        texts.push(format!("{} checkouts are undecided", row.found.undecided));
    }
    texts
}

/// What may be the machine's doing: figures below the floor, or none that can be used.
fn below(row: &Measured, floors: &Floors) -> Vec<String> {
    let mut texts = Vec::new();
    let Some(floor) = floors.get(&row.row.key()) else {
        return texts;
    };
    if !row.found.is_proven {
        texts.push(format!("the fault did not strike: {}", row.found.proof));
    }
    if row.found.ran_out {
        texts.push("the carts were used up: the machine became much quicker".to_owned());
    }
    if row.share < floor.share {
        texts.push(format!(
            "{:.0} % of the others' rate stay, {:.0} % must",
            100.0 * row.share,
            100.0 * floor.share
        ));
    }
    if row.p99_times > floor.p99_times {
        texts.push(format!(
            "the others' p99 is {:.1} times what it was, {} are allowed",
            row.p99_times, floor.p99_times
        ));
    }
    if row.back_to_slow_s.is_none_or(|it| it > floor.back_s) {
        texts.push(format!(
            "the others' rate was not back at {:.0} % within {} s",
            100.0 * row.slow_share,
            floor.back_s
        ));
    }
    texts
}

/// Prints the verdict; true if there is no complaint.
pub fn print(verdict: &Verdict) -> bool {
    for text in &verdict.once {
        println!("{text}. Its other reading is not below its floor.");
    }
    for complaint in &verdict.complaints {
        println!(
            "{complaint}. Run it again on a machine that does nothing else; if it stays, \
             `make fault-bench ARGS='--quick --rows …'` shows it at length. A change that costs this \
             on purpose changes crates/loadtest/fault_floors.toml and says why there."
        );
    }
    if verdict.complaints.is_empty() {
        let twice = if verdict.once.is_empty() {
            ""
        } else {
            " twice"
        };
        println!("No row is below its floor{twice}.");
    }
    verdict.complaints.is_empty()
}
