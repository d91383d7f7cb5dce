//! The options of the comparison.

use std::path::PathBuf;

use clap::Parser;

use crate::compare::bars::Bar;

const EXAMPLES: &str = "\
Examples:
  make bench-compare                                   everything, about a quarter of an hour
  make bench-compare ARGS=--quick                      without the large catalogue
  make bench-compare ARGS='--only hot --only tail'     what these bars need
  make bench-compare ARGS='--rounds 1 --seconds 3'     a first impression
  make bench-check                                     ratios against crates/loadtest/floors.toml

It runs on a PostgreSQL and a Redis of its own and removes them in the end. Ratios within one run mean
something, absolute figures only say what this machine is. Leave the machine alone meanwhile.";

/// Measures every bar of the design's performance page
#[derive(Clone, Debug, Parser)]
#[command(name = "compare", bin_name = "compare", after_help = EXAMPLES)]
#[command(max_term_width = 100)]
pub struct Options {
    /// The number of rounds, each of which measures everything in turn [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: Option<u32>,
    /// The seconds of each measurement, after its warm-up [default: 10; with --check 2]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: Option<u32>,
    /// Measure only what this bar needs; may be given more than once
    #[arg(long, value_name = "BAR", value_enum)]
    pub only: Vec<Bar>,
    /// Leave out the large catalogue, which takes minutes to fill
    #[arg(long)]
    pub quick: bool,
    /// Hold ratios against crates/loadtest/floors.toml, in under three minutes; the status is 1 if one is
    /// below its floor
    #[arg(long, conflicts_with_all = ["only", "quick"])]
    pub check: bool,
    /// Write everything that was measured
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Options {
    /// The bars that are asked for.
    pub fn bars(&self) -> Vec<Bar> {
        let all = <Bar as clap::ValueEnum>::value_variants().iter().copied();
        all.filter(|bar| self.only.is_empty() || self.only.contains(bar))
            .filter(|bar| !self.quick || *bar != Bar::Catalogue)
            .collect()
    }
}

/// The length of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub warmup_s: u32,
    pub seconds: u32,
}

impl Times {
    /// The whole length.
    pub const fn all_seconds(self) -> u32 {
        self.warmup_s + self.seconds
    }
}
