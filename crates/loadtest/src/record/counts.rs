//! How requests end, and counts of it.

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

/// What became of arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// They were sent.
    pub sent: u64,
    /// There was no place for them.
    pub not_sent: u64,
}

impl Sent {
    /// All of them: what was offered to the server.
    pub const fn all(self) -> u64 {
        self.sent + self.not_sent
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Succeeded(u16),
    /// The server had too much to do and said so.
    Refused(u16, String),
    /// An answer that should not be.
    Unexpected {
        /// Its status.
        status: u16,
        /// Its error's code.
        code: String,
        /// The whole of it.
        body: String,
    },
    /// No answer.
    Lost(String),
}
