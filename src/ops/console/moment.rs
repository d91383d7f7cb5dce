//! What is sent once a second: the verdict, the figures, the last minute, the map, and the hottest vendors.

use serde::{Serialize, Serializer};

use super::{
    Limits,
    actors_map::ActorsMap,
    dependencies::Dependency,
    figures::Sent,
    last_audit::LastAudit,
    verdict::{Problem, State},
};

/// A moment.
#[derive(Debug, Serialize)]
pub(super) struct Moment<'a> {
    pub at_ms: i64,
    pub began_at_ms: i64,
    pub version: &'static str,
    /// Tells the files of this page from those of another version.
    pub page: &'static str,
    pub limits: Limits,
    pub verdict: Verdict,
    pub headline: Headline,
    pub postgresql: Dependency,
    pub redis: Dependency,
    pub sinks: Vec<Sink>,
    pub last_minute: LastMinute,
    pub map: ActorsMap,
    pub hottest: Vec<HotVendor>,
    pub pools: Vec<Pool>,
    /// `None` unless a file of audits is set.
    pub audit: Option<LastAudit>,
    pub figures: FiguresNow<'a>,
}

/// The values of all figures by name.
#[derive(Debug)]
pub(super) struct FiguresNow<'a> {
    pub names: &'a [String],
    pub values: Vec<Sent>,
}

impl Serialize for FiguresNow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(&self.values))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub state: State,
    pub text: String,
    /// The time since which the state has been what it is.
    pub since_ms: i64,
    pub problems: Vec<Since>,
}

/// A problem with the time at which it began.
#[derive(Debug, Serialize)]
pub(super) struct Since {
    #[serde(flatten)]
    pub problem: Problem,
    pub since_ms: i64,
}

/// The figures of the first row.
#[derive(Debug, Serialize)]
pub(super) struct Headline {
    pub created_per_s: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub refused_per_s: f64,
    pub failed_per_s: f64,
    pub queue_depth: f64,
    /// The longest wait for any vendor's turn.
    pub vendor_wait_ms: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Sink {
    pub name: String,
    pub down_because: Option<String>,
    pub concerns: Vec<String>,
    pub waiting: f64,
    pub oldest_s: f64,
    pub dead: f64,
    pub published_per_s: f64,
}

/// Sums over the last minute.
#[derive(Debug, Serialize)]
pub(super) struct LastMinute {
    /// The checkouts that reached a transaction, whatever became of them.
    pub timed: f64,
    /// The time of all of these together, by stage.
    pub stages: Vec<Share>,
    /// Batches by the number of their members, up to a power of two.
    pub batch_sizes: Vec<Share>,
    /// Batches by the reason for which they were closed.
    pub closed: Vec<Share>,
    /// Lines of checkouts by outcome.
    pub lines: Vec<Share>,
    /// Checkouts by outcome.
    pub checkouts: Vec<Share>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Share {
    pub name: String,
    pub value: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct HotVendor {
    pub id: String,
    pub name: Option<String>,
    pub product: Option<String>,
    pub place: Option<u16>,
    pub depth: usize,
    pub wait_ms: f64,
    pub turns_per_s: f64,
    /// Lines of checkouts that ask for the vendor's stock.
    pub lines_per_s: f64,
    /// The average number of transactions that wait for the vendor.
    pub waiting: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Pool {
    pub name: &'static str,
    pub used: u32,
    pub idle: u32,
    pub max: u32,
}
