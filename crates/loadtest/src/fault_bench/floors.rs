//! The guard: the first rows against the floors in `crates/loadtest/fault_floors.toml`, which are far
//! enough below measurements on a quiet machine that a slow or busy one does not fall below. Pure, but for
//! the output.

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
    /// The longest time until their rate is back.
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

/// Rows that are below their floors, in sentences.
pub fn check(rows: &[Measured], floors: &Floors) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in rows {
        let key = row.row.key();
        let Some(floor) = floors.get(&key) else {
            continue;
        };
        let mut complain = |text: String| complaints.push(format!("{key}: {text}"));
        if !row.found.is_proven {
            complain(format!("the fault did not strike: {}", row.found.proof));
        }
        if row.found.ran_out {
            complain("the carts were used up: the machine became much quicker".to_owned());
        }
        if let Some(audit) = &row.found.audit {
            complain(format!("the audit finds something broken:\n{audit}"));
        }
        if let Some(more) = row.found.lost_or_doubled {
            complain(format!(
                "the database has {more:+} checkouts against the answers"
            ));
        }
        if row.found.undecided > 0 {
            complain(format!("{} checkouts are undecided", row.found.undecided));
        }
        if row.share < floor.share {
            complain(format!(
                "{:.0} % of the others' rate stay, {:.0} % must",
                100.0 * row.share,
                100.0 * floor.share
            ));
        }
        if row.p99_times > floor.p99_times {
            complain(format!(
                "the others' p99 is {:.1} times what it was, {} are allowed",
                row.p99_times, floor.p99_times
            ));
        }
        if row.back_s.is_none_or(|it| it > floor.back_s) {
            complain(format!(
                "the others' rate was not back within {} s",
                floor.back_s
            ));
        }
    }
    complaints
}

/// Prints what is below a floor; true if nothing is.
pub fn print(complaints: &[String]) -> bool {
    for complaint in complaints {
        println!(
            "{complaint}. Run it again on a machine that does nothing else; if it stays, \
             `make fault-bench ARGS='--quick --rows …'` shows it at length. A change that costs this \
             on purpose changes crates/loadtest/fault_floors.toml and says why there."
        );
    }
    if complaints.is_empty() {
        println!("No row is below its floor.");
    }
    complaints.is_empty()
}
