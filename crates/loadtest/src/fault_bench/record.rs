//! Events of a row, and the rates, latencies and recovery that follow from them. Pure.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use crate::latency::{Percentiles, histogram};
use serde::Serialize;

/// The share of a rate that has to be back.
pub const AS_BEFORE: f64 = 0.9;
/// A rate is counted in steps of this,
const STEP: Duration = Duration::from_millis(100);
/// and is back when this many of them in a row have it on average.
const STEPS_AS_BEFORE: usize = 5;
/// One part in so many of the quiet phase counts as its slow moments.
const SLOW_PART: usize = 10;
/// However slow these were, a rate below this share of the mean is not as before.
const AS_BEFORE_LEAST: f64 = 0.75;

/// The group of clients that a checkout belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Clients whose carts need nothing that the fault touches.
    Others,
    /// Clients whose carts do.
    InNeed,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Bought,
    /// Another status than 201, and the number of its code.
    Answered(u16, usize),
    /// Nothing came back, or not in time.
    Lost,
}

/// A request. All times count from the beginning of the load.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub who: Who,
    /// The instance to which the checkout was sent for the first time.
    pub first_target: usize,
    /// When the checkout was sent for the first time.
    pub first_sent: Duration,
    pub sent: Duration,
    pub ended: Duration,
    pub outcome: Outcome,
}

impl Event {
    fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(429 | 503, _))
    }

    fn took(&self) -> Duration {
        self.ended.saturating_sub(self.sent)
    }
}

/// The length of a phase.
pub fn length(window: &Range<Duration>) -> Duration {
    window.end.saturating_sub(window.start)
}

/// Counts of answers, by status and code.
pub type Answers = BTreeMap<String, u64>;

/// Some of the events.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    all: &'a [Event],
    codes: &'a [String],
    /// The clients whose events these are; all if none.
    who: Option<Who>,
    /// The instances of the first try; all if it is empty.
    targets: &'a [usize],
}

impl<'a> Events<'a> {
    /// All events.
    pub fn of(all: &'a [Event], codes: &'a [String]) -> Self {
        Self {
            all,
            codes,
            who: None,
            targets: &[],
        }
    }

    /// Only the events of these clients.
    pub fn by(self, who: Who) -> Self {
        Self {
            who: Some(who),
            ..self
        }
    }

    /// Only checkouts that were first sent to these instances; to any if none is named.
    pub fn at(self, targets: &'a [usize]) -> Self {
        Self { targets, ..self }
    }

    fn iter(self) -> impl Iterator<Item = &'a Event> {
        self.all.iter().filter(move |it| {
            self.who.is_none_or(|who| it.who == who)
                && (self.targets.is_empty() || self.targets.contains(&it.first_target))
        })
    }

    /// Requests that were in flight at some moment of this time: a fault meets requests that were sent
    /// before it.
    fn under_way_in(self, window: &Range<Duration>) -> impl Iterator<Item = &'a Event> {
        let window = window.clone();
        self.iter()
            .filter(move |it| it.sent < window.end && it.ended >= window.start)
    }

    /// Checkouts bought a second.
    pub fn rate(self, window: &Range<Duration>) -> f64 {
        let bought = self
            .iter()
            .filter(|it| it.outcome == Outcome::Bought && window.contains(&it.ended));
        bought.count() as f64 / length(window).as_secs_f64()
    }

    /// The latencies from the first try to the purchase, of checkouts that were bought in this time.
    pub fn latency(self, window: &Range<Duration>) -> Option<Percentiles> {
        let bought = self.iter().filter(|it| it.outcome == Outcome::Bought);
        let bought = bought.filter(|it| window.contains(&it.ended));
        percentiles(bought.map(|it| it.ended.saturating_sub(it.first_sent)))
    }

    /// The same, of all checkouts in flight at some moment of this time.
    pub fn latency_across(self, window: &Range<Duration>) -> Option<Percentiles> {
        let bought = self.iter().filter(|it| it.outcome == Outcome::Bought);
        let bought = bought.filter(|it| it.first_sent < window.end && it.ended >= window.start);
        percentiles(bought.map(|it| it.ended.saturating_sub(it.first_sent)))
    }

    /// The latencies of refusals.
    pub fn refusals(self, window: &Range<Duration>) -> Option<Percentiles> {
        percentiles(
            self.under_way_in(window)
                .filter(|it| it.is_refused())
                .map(Event::took),
        )
    }

    /// The latencies of all answers, and of requests without one.
    pub fn answers(self, window: &Range<Duration>) -> Option<Percentiles> {
        percentiles(self.under_way_in(window).map(Event::took))
    }

    /// Answers other than a purchase.
    pub fn other_answers(self, window: &Range<Duration>) -> Answers {
        let mut answers = Answers::new();
        for event in self.under_way_in(window) {
            let name = match event.outcome {
                Outcome::Bought => continue,
                Outcome::Answered(status, code) => format!("{status} {}", self.codes[code]),
                Outcome::Lost => "no answer".to_owned(),
            };
            *answers.entry(name).or_default() += 1;
        }
        answers
    }

    /// The number of checkouts that arrived in this time.
    pub fn came(self, window: &Range<Duration>) -> usize {
        let first = self.iter().filter(|it| it.sent == it.first_sent);
        first.filter(|it| window.contains(&it.sent)).count()
    }

    /// The number of arrivals in this time that were bought in the end.
    pub fn bought_of(self, window: &Range<Duration>) -> usize {
        let bought = self.iter().filter(|it| it.outcome == Outcome::Bought);
        bought.filter(|it| window.contains(&it.first_sent)).count()
    }

    /// The time from `window.start` until the rate was back, if it was within the window.
    pub fn back_after(self, window: &Range<Duration>, before: f64) -> Option<Duration> {
        self.reached_after(window, AS_BEFORE * before)
    }

    /// The time from `window.start` until half a second of the window had this rate.
    pub fn reached_after(self, window: &Range<Duration>, per_second: f64) -> Option<Duration> {
        let back = self.rates(window).position(|rate| rate >= per_second)?;
        u32::try_from(back).ok().map(|back| STEP * back)
    }

    /// The rate from which on half a second is like one of the quiet phase: that of its slow moments, since
    /// a neighbour may make others as slow. It is at most the rate that is back for [`Self::back_after`].
    pub fn slow_rate(self, quiet: &Range<Duration>) -> f64 {
        let before = self.rate(quiet);
        let mut rates: Vec<_> = self.rates(quiet).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let slow = rates.get(rates.len() / SLOW_PART).copied();
        slow.unwrap_or(before)
            .clamp(AS_BEFORE_LEAST * before, AS_BEFORE * before)
    }

    /// The rates of every half second that begins with a step.
    fn rates(self, window: &Range<Duration>) -> impl Iterator<Item = f64> {
        let steps = self.per_step(window);
        let sums: Vec<usize> = steps
            .windows(STEPS_AS_BEFORE)
            .map(|some| some.iter().sum())
            .collect();
        let long = STEP.as_secs_f64() * STEPS_AS_BEFORE as f64;
        sums.into_iter().map(move |bought| bought as f64 / long)
    }

    /// The purchases of each step.
    pub fn per_step(self, window: &Range<Duration>) -> Vec<usize> {
        let step_of = |at: Duration| (at.as_millis() / STEP.as_millis()) as usize;
        let mut steps = vec![0; step_of(length(window))];
        for event in self.iter().filter(|it| it.outcome == Outcome::Bought) {
            if let Some(since) = event.ended.checked_sub(window.start)
                && let Some(step) = steps.get_mut(step_of(since))
            {
                *step += 1;
            }
        }
        steps
    }
}

fn percentiles(times: impl Iterator<Item = Duration>) -> Option<Percentiles> {
    let mut histogram = histogram();
    for time in times {
        histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
    Percentiles::of(&histogram)
}
