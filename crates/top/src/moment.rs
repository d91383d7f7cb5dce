//! What the service sends once a second, as far as a terminal shows it.

use std::collections::HashMap;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Moment {
    pub at_ms: i64,
    pub began_at_ms: i64,
    pub version: String,
    pub limits: Limits,
    pub verdict: Verdict,
    pub headline: Headline,
    pub postgresql: Dependency,
    pub redis: Dependency,
    pub sinks: Vec<Sink>,
    pub last_minute: LastMinute,
    pub map: Actors,
    pub hottest: Vec<HotVendor>,
    pub figures: HashMap<String, Option<f64>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    pub queue_max: f64,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Well,
    Warning,
    Bad,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Verdict {
    pub state: State,
    pub text: String,
    pub since_ms: i64,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    pub state: State,
    pub text: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Headline {
    pub created_per_s: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub refused_per_s: f64,
    pub failed_per_s: f64,
    pub queue_depth: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    pub problem: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Sink {
    pub name: String,
    pub down_because: Option<String>,
    pub waiting: f64,
    pub oldest_s: f64,
    pub dead: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct LastMinute {
    pub timed: f64,
    pub stages: Vec<Share>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Share {
    pub name: String,
    pub value: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Actors {
    pub live: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub struct HotVendor {
    pub id: String,
    pub name: Option<String>,
    pub product: Option<String>,
    pub wait_ms: f64,
    pub lines_per_s: f64,
    pub waiting: f64,
}

/// The figures of the last quarter of an hour, of which the rate is shown.
#[derive(Clone, Debug, Deserialize)]
pub struct History {
    #[serde(rename = "checkouts.created", default)]
    pub created_per_s: Vec<Option<f64>>,
}

impl Moment {
    /// The value of a figure; 0 if there is none.
    pub fn figure(&self, name: &str) -> f64 {
        self.figures.get(name).copied().flatten().unwrap_or(0.0)
    }
}
