//! Outcomes of requests, and their counts.

use std::time::Duration;

use crate::latency::Percentiles;

/// Counts of what was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub succeeded: u64,
    pub refused: u64,
    /// Unexpected answers, and none at all.
    pub failed: u64,
}

impl Counts {
    /// All of them.
    pub fn all(self) -> u64 {
        self.succeeded + self.refused + self.failed
    }
}

/// One second of the window; the last one may be shorter.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    pub length: Duration,
    pub counts: Counts,
    /// Arrivals.
    pub arrivals: Sent,
    /// Of the successes, in milliseconds; none without a success.
    pub percentiles: Option<Percentiles>,
}

/// Arrivals by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub sent: u64,
    /// Arrivals for which there was no place.
    pub not_sent: u64,
}

impl Sent {
    /// All of them: the offered load.
    pub const fn all(self) -> u64 {
        self.sent + self.not_sent
    }
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The expected answer, by its status.
    Succeeded(u16),
    /// The server had too much to do and said so.
    Refused(u16, String),
    /// An answer that is neither.
    Unexpected {
        status: u16,
        code: String,
        body: String,
    },
    /// No answer.
    Lost(String),
}
