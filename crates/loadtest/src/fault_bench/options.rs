//! The options of the fault benchmark.

use std::path::PathBuf;

use clap::Parser;

use crate::fault_bench::rows::Row;

const EXAMPLES: &str = "\
Examples:
  make fault-bench                                      every row of the table, about 20 minutes
  make fault-bench ARGS=--quick                         shorter phases
  make fault-bench ARGS='--rows row-lock,lost-at-commit'
                                                        these rows only
  make fault-bench ARGS='--markdown --json faults.json' the table to paste, and all figures
  make fault-bench ARGS='--server-binary /tmp/old/splitcart'
                                                        another build of the server: before and after
  make fault-check                                      the first rows against crates/loadtest/fault_floors.toml

It runs on a PostgreSQL and a Redis of its own and removes them in the end. A row whose fault can't be
shown to have struck is \"not struck\" and fails, whatever its figures are. The status is 1 if a row is
not met. Leave the machine alone meanwhile.";

/// Injects every fault of the design's isolation page and measures its cost for clients that don't need
/// what it affects
#[derive(Clone, Debug, Parser)]
#[command(name = "fault-bench", bin_name = "fault-bench", after_help = EXAMPLES)]
#[command(max_term_width = 100)]
pub struct Options {
    /// Only these rows, with commas between them
    #[arg(long, value_name = "ROW", value_enum, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Measure for a shorter time: the quiet phase 2 s, the longest lock 15 s instead of 60 s
    #[arg(long)]
    pub quick: bool,
    /// The number of runs of each row; the one with the median share is reported
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,
    /// Hold the first rows against `crates/loadtest/fault_floors.toml`, in under three minutes. A row below
    /// its floor is measured a second time; the status is 1 if it is below again
    #[arg(long, conflicts_with_all = ["rows", "quick", "rounds"])]
    pub check: bool,
    /// The server to test instead of the one that was built with this benchmark
    #[arg(long, value_name = "PATH")]
    pub server_binary: Option<PathBuf>,
    /// Print the table as Markdown
    #[arg(long)]
    pub markdown: bool,
    /// Write everything that was measured
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the server's logs in this directory
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

impl Options {
    /// The rows that are asked for, in the table's order.
    pub fn wanted(&self) -> Vec<Row> {
        let all = <Row as clap::ValueEnum>::value_variants().iter().copied();
        if self.check {
            return all.filter(|row| row.is_guarded()).collect();
        }
        all.filter(|row| self.rows.is_empty() || self.rows.contains(row))
            .collect()
    }
}
