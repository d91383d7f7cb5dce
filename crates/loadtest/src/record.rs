//! What is measured, as it happens: histograms, outcomes, and the same second by second.
//!
//! A latency belongs to the measurement if its request was meant to start within the window,
//! however late the answer comes; a rate is of the answers that come within the window. Everything
//! runs on one thread, so nothing here is locked or merged.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::latency::{self, Percentiles};

/// How many unexpected answers are kept to be shown.
const EXAMPLES_MAX: usize = 3;

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
    /// Requests that may or may not have been carried out: nobody has told us.
    pub unknown_ever: u64,
    /// Replays that were not what they should be.
    pub replays_wrong: u64,
    /// Replays that were refused, which is no fault.
    pub replays_refused: u64,
    /// Arrivals of an open loop.
    pub arrivals: Sent,
    /// Refused requests that were sent again.
    pub sent_again: u64,
    /// Clients that were refused until they went away.
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
            // What goes wrong before or after the window has gone wrong, too.
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

    /// Whether a request that is meant to start then is measured.
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

    /// How long the window is, once it is finished.
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn refused() -> Outcome {
        Outcome::Refused(503, "OVERLOADED".to_owned())
    }

    #[test]
    fn percentiles_are_of_the_successes_that_were_meant_to_start_in_the_window() {
        let start = Instant::now();
        let begin = start + 100 * MS;
        let mut recorder = Recorder::between(begin, Some(begin + 1000 * MS));
        // In the warm-up, in the window, and in the window with an answer long after it.
        recorder.record(start, start + 50 * MS, Outcome::Succeeded(201));
        for ms in 1..=99 {
            recorder.record(begin, begin + ms * MS, Outcome::Succeeded(201));
        }
        recorder.record(begin + 999 * MS, begin + 1999 * MS, Outcome::Succeeded(201));
        recorder.record(
            begin + 1000 * MS,
            begin + 1999 * MS,
            Outcome::Succeeded(201),
        );
        recorder.finish(begin + 2000 * MS);

        let latencies = Percentiles::of(recorder.succeeded()).unwrap();
        assert_eq!(latencies.count, 100);
        assert!((latencies.p50_ms - 50.0).abs() < 0.1, "{latencies:?}");
        assert!((latencies.p99_ms - 99.0).abs() < 0.1, "{latencies:?}");
        assert!((latencies.max_ms - 1000.0).abs() < 1.0, "{latencies:?}");
        assert_eq!(recorder.window.succeeded, 99, "answered within the window");
        assert_eq!(recorder.succeeded_ever, 102);
        assert_eq!(
            recorder.outcomes,
            BTreeMap::from([((201, String::new()), 100)])
        );
    }

    #[test]
    fn refusals_stand_apart() {
        let begin = Instant::now();
        let mut recorder = Recorder::between(begin, None);
        recorder.record(begin, begin + MS, refused());
        recorder.record(begin, begin + 50 * MS, Outcome::Succeeded(201));
        recorder.finish(begin + 60 * MS);
        assert_eq!(
            (recorder.succeeded().len(), recorder.refused().len()),
            (1, 1)
        );
        assert_eq!((recorder.window.succeeded, recorder.window.refused), (1, 1));
        assert_eq!(recorder.length(), 50 * MS, "to the last answer");
    }

    #[test]
    fn every_second_has_its_own_figures_also_one_without_answers() {
        let begin = Instant::now();
        let mut recorder = Recorder::between(begin, Some(begin + 3500 * MS));
        recorder.record(begin, begin + 500 * MS, Outcome::Succeeded(201));
        recorder.record(begin, begin + 2100 * MS, refused());
        recorder.record(
            begin + 3000 * MS,
            begin + 3400 * MS,
            Outcome::Succeeded(201),
        );
        recorder.finish(begin + 9000 * MS);

        let counts: Vec<_> = recorder
            .series()
            .iter()
            .map(|it| (it.counts.succeeded, it.counts.refused))
            .collect();
        assert_eq!(counts, [(1, 0), (0, 0), (0, 1), (1, 0)]);
        assert_eq!(recorder.series()[3].length, 500 * MS);
        assert!(recorder.series()[1].percentiles.is_none());
    }

    #[test]
    fn what_goes_wrong_in_the_warm_up_is_told() {
        let start = Instant::now();
        let begin = start + 100 * MS;
        let mut recorder = Recorder::between(begin, Some(begin + 1000 * MS));
        let unexpected = Outcome::Unexpected {
            status: 500,
            code: "INTERNAL".to_owned(),
            body: "{}".to_owned(),
        };
        recorder.record(start, start + 50 * MS, unexpected);
        recorder.record(
            start,
            start + 50 * MS,
            Outcome::Lost("timed out".to_owned()),
        );
        assert_eq!(recorder.outcomes[&(500, "INTERNAL".to_owned())], 1);
        assert_eq!(recorder.errors["timed out"], 1);
        assert_eq!(recorder.examples, ["500 {}"]);
    }
}
