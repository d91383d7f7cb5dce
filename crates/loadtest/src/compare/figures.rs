//! The figures that are measured: the same few of both sides, and a round of them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::steps::Step;

/// A rate and latencies.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figure {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Many buyers of few units.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Crowd {
    /// Buyers who know in the end whether they have bought.
    pub answered: u64,
    /// From the first request to the last answer, refusals and all.
    pub answered_within_s: f64,
    pub units_sold: i64,
    /// Refusals after which a buyer tried again.
    pub refusals: u64,
}

/// The state of the server after spread load on a large catalogue.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Large {
    /// Live vendors' actors.
    pub actors: f64,
    /// The peak of the server's memory, where the system reports it.
    pub memory_mb: Option<f64>,
}

/// The vendors' actors under load and when idle.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PutAway {
    pub actors_under_load: f64,
    pub actors_left: f64,
}

/// More than the server can do.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Overload {
    /// Arrivals that were meant to be.
    pub offered_per_second: f64,
    pub goodput_per_second: f64,
    /// The longest wait of a buyer that was served.
    pub p50_ms: f64,
    pub refusals: u64,
    pub refusal_p99_ms: Option<f64>,
    /// Arrivals that the driver had no place for.
    pub not_sent: u64,
    /// The time from the end of the overload until a checkout is as quick as before.
    pub recovered_after_s: f64,
}

/// The figures of one round; those that were not asked for are missing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Round {
    pub figures: BTreeMap<Step, Figure>,
    pub crowd: Option<Crowd>,
    pub overload: Option<Overload>,
    pub large: Option<Large>,
    pub put_away: Option<PutAway>,
}

impl Round {
    /// A step's figure.
    pub fn figure(&self, step: Step) -> Option<Figure> {
        self.figures.get(&step).copied()
    }

    /// The rate of one step as a multiple of another's.
    pub fn rates(&self, above: Step, below: Step) -> Option<f64> {
        Some(self.figure(above)?.per_second / self.figure(below)?.per_second)
    }
}
