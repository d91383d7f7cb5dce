//! The stages of a checkout: where its time goes, from the request to the answer.
//!
//! | piece | owns |
//! |---|---|
//! | [`Stage`] | the names of the stages, in the order in which a checkout passes them |
//! | [`laps`] | the times of one attempt at a batch, statement by statement |
//! | [`trip`] | the way of one checkout: its waits, its attempts, and the sum per stage |
//! | [`span_ids`] | the place of a checkout, or of a batch, in a trace |
//!
//! Metrics, the log, traces and the console all read the trip of a checkout, so they show the same numbers.
//! Everything is measured by two readings of the clock per statement of a batch.

pub mod laps;
pub mod span_ids;
pub mod trip;

use std::time::Duration;

/// A part of a checkout's time, in the order in which a checkout passes them. The parts add up to the time in which the request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Asking Redis for the idempotency key, and claiming it.
    Redis,
    /// The wait for a transaction.
    Queue,
    /// Earlier attempts, which failed or in which the checkout was set aside, and the waits after them.
    Retries,
    /// The wait for a connection, and the begin of the transaction.
    Begin,
    /// The statements that read carts, callers, keys, prices and stock.
    Reads,
    /// Deciding, and writing the answers that are kept in the transaction.
    Rendering,
    /// The statements that write orders, events, carts and first answers.
    Writes,
    /// The wait for the turns of the vendors.
    Turns,
    /// The statement that reserves stock.
    Reservation,
    /// The commit.
    Commit,
    /// Everything else: reading the request, writing the answer, and the waits for a processor.
    Rest,
}

impl Stage {
    /// All stages, in the order in which a checkout passes them.
    pub const ALL: [Self; 11] = [
        Self::Redis,
        Self::Queue,
        Self::Retries,
        Self::Begin,
        Self::Reads,
        Self::Rendering,
        Self::Writes,
        Self::Turns,
        Self::Reservation,
        Self::Commit,
        Self::Rest,
    ];

    /// The name in metrics, logs and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Queue => "queue",
            Self::Retries => "retries",
            Self::Begin => "begin",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Rendering => "rendering",
            Self::Turns => "turns",
            Self::Reservation => "reservation",
            Self::Commit => "commit",
            Self::Rest => "rest",
        }
    }
}

/// A time per stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes([Duration; Stage::ALL.len()]);

impl StageTimes {
    /// The time of a stage.
    pub fn of(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// Adds to the time of a stage.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.0[stage as usize] += time;
    }

    /// The stages with their times, in the order in which a checkout passes them.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> {
        Stage::ALL.map(|stage| (stage, self.of(stage))).into_iter()
    }

    /// The time of all stages.
    pub fn sum(&self) -> Duration {
        self.0.iter().sum()
    }
}
