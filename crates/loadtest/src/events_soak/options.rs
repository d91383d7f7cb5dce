//! The options of the long run of events.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use crate::{events_bench::SinkName, time_option::parse_time};

const EXAMPLES: &str = "\
Examples:
  events-soak --duration 3m --snapshot-after 1m --snapshot-for 1m --retention 1m
                                                        a short try
  events-soak --plot docs/images/events-soak.svg        what docs/events.md shows: an hour";

/// Keeps events coming for a long time, with an old snapshot open for a part of it
#[derive(Clone, Debug, Parser)]
#[command(name = "events-soak", bin_name = "events-soak", after_help = EXAMPLES)]
#[command(max_term_width = 100)]
pub struct Options {
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "1h")]
    pub duration: Duration,
    /// Events a second, those of checkouts among them
    #[arg(long, value_name = "COUNT", default_value_t = 3000)]
    pub events_per_s: u32,
    /// Checkouts a second
    #[arg(long, value_name = "COUNT", default_value_t = 300)]
    pub checkouts_per_s: u32,
    /// The time after which a snapshot is opened
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "20m")]
    pub snapshot_after: Duration,
    /// The time for which it stays open
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10m")]
    pub snapshot_for: Duration,
    /// outbox.retention
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10m")]
    pub retention: Duration,
    /// The sinks; the first one is the primary one
    #[arg(long, value_name = "SINK", value_enum, value_delimiter = ',')]
    #[arg(default_values_t = [SinkName::Redis, SinkName::Nats])]
    pub sinks: Vec<SinkName>,
    /// The interval of looks
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub every: Duration,
    /// Write all looks to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw them (.svg or .png)
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}
