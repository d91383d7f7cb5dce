//! Measurements as they happen: histograms, outcomes, and the same second by second.
//!
//! A latency belongs to the measurement if its request was meant to start within the window,
//! however late the answer comes; a rate is of the answers that come within the window. Everything
//! runs on one thread, so nothing here is locked or merged.

mod counts;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

pub use counts::{Counts, Outcome, Second, Sent};

use super::latency::{self, Percentiles};

/// Unexpected answers that are kept as examples.
const EXAMPLES_MAX: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    begin: Instant,
    end: Option<Instant>,
    succeeded: Histogram<u64>,
    refused: Histogram<u64>,
    replayed: Histogram<u64>,
    /// By status and code, of requests that were meant to start within the window.
    pub outcomes: BTreeMap<(u16, String), u64>,
    /// Requests without an answer, by what happened.
    pub errors: BTreeMap<String, u64>,
    /// The first unexpected answers.
    pub examples: Vec<String>,
    /// Answered within the window.
    pub window: Counts,
    /// All successes, those before and after the window included.
    pub succeeded_ever: u64,
    /// Requests of which it is unknown whether they were carried out.
    pub unknown_ever: u64,
    /// Replays that were not what they should be.
    pub replays_wrong: u64,
    /// Replays that were refused, which is no fault.
    pub replays_refused: u64,
    /// Arrivals of an open loop.
    pub arrivals: Sent,
    /// Refused requests that were sent again.
    pub sent_again: u64,
    /// Clients that gave up after refusals.
    pub gave_up: u64,
    last: Instant,
    second: Counts,
    second_arrivals: Sent,
    second_latencies: Histogram<u64>,
    series: Vec<Second>,
}

impl Recorder {
    /// Measures from `begin` to `end`, or to the last answer.
    pub fn between(begin: Instant, end: Option<Instant>) -> Self {
        Self {
            begin,
            end,
            succeeded: latency::histogram(),
            refused: latency::histogram(),
            replayed: latency::histogram(),
            outcomes: BTreeMap::new(),
            errors: BTreeMap::new(),
            examples: Vec::new(),
            window: Counts::default(),
            succeeded_ever: 0,
            unknown_ever: 0,
            replays_wrong: 0,
            replays_refused: 0,
            arrivals: Sent::default(),
            sent_again: 0,
            gave_up: 0,
            last: begin,
            second: Counts::default(),
            second_arrivals: Sent::default(),
            second_latencies: latency::histogram(),
            series: Vec::new(),
        }
    }

    /// A request that was meant to start at `intended` has ended now.
    pub fn record(&mut self, intended: Instant, now: Instant, outcome: Outcome) {
        let latency = micros(now.saturating_duration_since(intended));
        self.advance(now);
        let in_window = now >= self.begin && self.end.is_none_or(|end| now < end);
        if in_window {
            self.last = now;
            for counts in [&mut self.window, &mut self.second] {
                match outcome {
                    Outcome::Succeeded(_) => counts.succeeded += 1,
                    Outcome::Refused(..) => counts.refused += 1,
                    Outcome::Unexpected { .. } | Outcome::Lost(_) => counts.failed += 1,
                }
            }
            if matches!(outcome, Outcome::Succeeded(_)) {
                self.second_latencies.saturating_record(latency);
            }
        }
        match &outcome {
            Outcome::Succeeded(_) => self.succeeded_ever += 1,
            Outcome::Lost(_) => self.unknown_ever += 1,
            // The database was lost, perhaps in the middle of the commit.
            Outcome::Refused(_, code) if code == "DEPENDENCY_UNAVAILABLE" => self.unknown_ever += 1,
            _ => {}
        }
        if !self.measures(intended) {
            // Failures before and after the window are reported, too.
            if matches!(outcome, Outcome::Succeeded(_) | Outcome::Refused(..)) {
                return;
            }
        }
        match outcome {
            Outcome::Succeeded(status) => {
                self.succeeded.saturating_record(latency);
                self.count(status, String::new());
            }
            Outcome::Refused(status, code) => {
                self.refused.saturating_record(latency);
                self.count(status, code);
            }
            Outcome::Unexpected { status, code, body } => {
                if self.examples.len() < EXAMPLES_MAX {
                    self.examples.push(format!("{status} {body}"));
                }
                self.count(status, code);
            }
            Outcome::Lost(error) => *self.errors.entry(error).or_default() += 1,
        }
    }

    /// A request was answered again under its key.
    pub fn record_replay(&mut self, sent: Instant, now: Instant) {
        let latency = micros(now.saturating_duration_since(sent));
        self.replayed.saturating_record(latency);
    }

    /// A request that was meant to start then was not sent: there was no place for it.
    pub fn miss(&mut self, intended: Instant) {
        self.arrive(intended, |arrivals| arrivals.not_sent += 1);
    }

    /// A request that was meant to start then was sent.
    pub fn send(&mut self, intended: Instant) {
        self.arrive(intended, |arrivals| arrivals.sent += 1);
    }

    fn arrive(&mut self, intended: Instant, count: impl Fn(&mut Sent)) {
        if self.measures(intended) {
            self.advance(intended);
            count(&mut self.arrivals);
            count(&mut self.second_arrivals);
        }
    }

    /// True of a request that is meant to start within the window.
    pub fn measures(&self, intended: Instant) -> bool {
        intended >= self.begin && self.end.is_none_or(|end| intended < end)
    }

    /// Closes the seconds that have passed.
    pub fn advance(&mut self, now: Instant) {
        let now = self.end.map_or(now, |end| now.min(end));
        let passed = now.saturating_duration_since(self.begin).as_secs();
        while (self.series.len() as u64) < passed {
            self.close_second(Duration::from_secs(1));
        }
    }

    /// Ends the measurement: at the end of the window, or now.
    pub fn finish(&mut self, now: Instant) {
        let end = match self.end {
            Some(end) => end.min(now),
            None => self.last,
        };
        self.advance(end);
        self.end = Some(end);
        let closed = Duration::from_secs(self.series.len() as u64);
        let rest = self.length().saturating_sub(closed);
        if self.second.all() > 0
            || self.second_arrivals.all() > 0
            || rest >= Duration::from_millis(1)
        {
            self.close_second(rest.max(Duration::from_micros(1)));
        }
    }

    fn close_second(&mut self, length: Duration) {
        self.series.push(Second {
            length,
            counts: std::mem::take(&mut self.second),
            arrivals: std::mem::take(&mut self.second_arrivals),
            percentiles: Percentiles::of(&self.second_latencies),
        });
        self.second_latencies.reset();
    }

    fn count(&mut self, status: u16, code: String) {
        *self.outcomes.entry((status, code)).or_default() += 1;
    }

    /// The length of the window, once it is finished.
    pub fn length(&self) -> Duration {
        self.end
            .unwrap_or(self.last)
            .saturating_duration_since(self.begin)
    }

    /// The window, second by second.
    pub fn series(&self) -> &[Second] {
        &self.series
    }

    /// Latencies of successes.
    pub fn succeeded(&self) -> &Histogram<u64> {
        &self.succeeded
    }

    /// Latencies of refusals.
    pub fn refused(&self) -> &Histogram<u64> {
        &self.refused
    }

    /// Latencies of replays.
    pub fn replayed(&self) -> &Histogram<u64> {
        &self.replayed
    }
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}
