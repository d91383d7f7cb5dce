//! The options of the measurement of events.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::time_option::parse_time;

const EXAMPLES: &str = "\
Examples:
  events-bench --count 2000 --every 4s --lasting 2s     a short try
  events-bench --count 100000 --faults kill,pause,empty --json events.json
                                                        what docs/events.md reports
  events-bench --count 100000 --faults none             lag without a fault

Brokers come from scripts/install-brokers. A sink that was emptied is filled again at the end by `splitcart
outbox republish`. The status is 1 unless each consumer's table has each event once, and, but for a sink that
was emptied, per aggregate in order.";

/// Kills, freezes and empties brokers while checkouts' events pass, and holds each consumer's table against
/// the outbox
#[derive(Clone, Debug, Parser)]
#[command(name = "events-bench", bin_name = "events-bench", after_help = EXAMPLES)]
#[command(max_term_width = 100)]
pub struct Options {
    /// The number of checkouts; each has several events
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    pub count: u32,
    /// Clients that check out and move what they have bought
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    pub clients: u32,
    /// The sinks; the first one is the primary one
    #[arg(long, value_name = "SINK", value_enum, value_delimiter = ',')]
    #[arg(default_values_t = SinkName::ALL)]
    pub sinks: Vec<SinkName>,
    /// What happens to the sinks, one after the other; `none` for nothing
    #[arg(long, value_name = "FAULT", value_enum, value_delimiter = ',')]
    #[arg(default_values_t = [Fault::Kill, Fault::Pause])]
    pub faults: Vec<Fault>,
    /// The interval of faults
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "20s")]
    pub every: Duration,
    /// How long a broker is dead or frozen
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub lasting: Duration,
    /// The longest time that consumers may take to get everything after the load
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5m")]
    pub settle: Duration,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The directory of logs and of the configuration, which stays [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SinkName {
    Redis,
    Nats,
    #[cfg(feature = "kafka")]
    Kafka,
}

impl SinkName {
    #[cfg(feature = "kafka")]
    const ALL: [Self; 3] = [Self::Redis, Self::Nats, Self::Kafka];
    #[cfg(not(feature = "kafka"))]
    const ALL: [Self; 2] = [Self::Redis, Self::Nats];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
            #[cfg(feature = "kafka")]
            Self::Kafka => "kafka",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    None,
    /// `kill -9`, and a start later. Tansu, the Kafka of this measurement, keeps everything in memory and is
    /// empty then
    Kill,
    /// SIGSTOP, and SIGCONT later
    Pause,
    /// Everything that it has is removed
    Empty,
}

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Empty => "empty",
        }
    }
}
