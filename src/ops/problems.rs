//! The problems that `/readyz` names: the reason, since when, and what to do.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Serialize, Serializer};

/// The kinds of problems. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Stopping,
    PostgresqlUnreachable,
    PostgresqlNotMigrated,
    CheckoutsStalled,
    CartsStalled,
    OrdersStalled,
    CountsStalled,
    RedisUnreachable,
    RedisUnusable,
    SinkDown,
    SinkAtRisk,
}

impl Reason {
    /// True if no request must be sent here while the problem lasts.
    pub fn makes_unready(self) -> bool {
        match self {
            Self::Stopping
            | Self::PostgresqlUnreachable
            | Self::PostgresqlNotMigrated
            | Self::CheckoutsStalled
            | Self::CartsStalled
            | Self::OrdersStalled
            | Self::CountsStalled => true,
            Self::RedisUnreachable | Self::RedisUnusable | Self::SinkDown | Self::SinkAtRisk => {
                false
            }
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub reason: Reason,
    /// The name of the sink that the problem is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    pub makes_unready: bool,
    #[serde(serialize_with = "write_time")]
    pub since: DateTime<Utc>,
    pub for_s: f64,
    pub text: String,
    pub what_to_do: String,
}

fn write_time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// A problem as it was found now.
#[derive(Clone, Debug)]
pub struct Found {
    pub reason: Reason,
    pub sink: Option<String>,
    /// The time from which on it is known to exist; `None`: from when it was first found.
    pub since: Option<DateTime<Utc>>,
    pub text: String,
    pub what_to_do: String,
}

impl Found {
    pub fn new(reason: Reason, text: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self {
            reason,
            sink: None,
            since: None,
            text: text.into(),
            what_to_do: what_to_do.into(),
        }
    }

    pub fn since(self, since: Option<DateTime<Utc>>) -> Self {
        Self { since, ..self }
    }

    pub fn lasting(self, time: Duration) -> Self {
        let time = TimeDelta::from_std(time).unwrap_or_default();
        self.since(Utc::now().checked_sub_signed(time))
    }

    pub fn of_sink(self, sink: &str) -> Self {
        Self {
            sink: Some(sink.to_owned()),
            ..self
        }
    }

    fn key(&self) -> Key {
        // A sink may have several risks at a time.
        let risk = (self.reason == Reason::SinkAtRisk).then(|| self.text.clone());
        (self.reason, self.sink.clone(), risk)
    }
}

type Key = (Reason, Option<String>, Option<String>);

/// The times at which the present problems were first found.
#[derive(Debug, Default)]
pub struct FirstFound(Mutex<HashMap<Key, DateTime<Utc>>>);

impl FirstFound {
    /// Dates the problems that exist now, and forgets those that no longer do.
    pub fn date(&self, found: Vec<Found>, now: DateTime<Utc>) -> Vec<Problem> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        let dated = found.into_iter().map(|found| {
            let key = found.key();
            let first = before.get(&key).copied().unwrap_or(now);
            let since = found.since.map_or(first, |since| since.min(first));
            known.insert(key, since);
            Problem {
                reason: found.reason,
                sink: found.sink,
                makes_unready: found.reason.makes_unready(),
                since,
                for_s: tenths(now - since),
                text: found.text,
                what_to_do: found.what_to_do,
            }
        });
        dated.collect()
    }
}

fn tenths(time: TimeDelta) -> f64 {
    (time.num_milliseconds().max(0) / 100) as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Found {
        Found::new(Reason::RedisUnreachable, text, "look")
    }

    #[test]
    fn a_problem_keeps_the_time_at_which_it_was_first_found() {
        let first_found = FirstFound::default();
        let start = Utc::now();
        let later = start + TimeDelta::milliseconds(2_540);
        first_found.date(vec![found("refused")], start);

        let dated = first_found.date(vec![found("silent")], later);

        assert_eq!((dated[0].since, dated[0].for_s), (start, 2.5));
    }

    #[test]
    fn a_problem_that_comes_again_begins_again() {
        let first_found = FirstFound::default();
        let start = Utc::now();
        first_found.date(vec![found("refused")], start);
        first_found.date(Vec::new(), start + TimeDelta::seconds(1));
        let again = start + TimeDelta::seconds(2);
        assert_eq!(
            first_found.date(vec![found("refused")], again)[0].since,
            again
        );
    }

    #[test]
    fn a_time_that_is_known_better_is_used() {
        let first_found = FirstFound::default();
        let now = Utc::now();
        let earlier = now - TimeDelta::seconds(30);
        let dated = first_found.date(vec![found("refused").since(Some(earlier))], now);
        assert_eq!((dated[0].since, dated[0].for_s), (earlier, 30.0));
    }

    #[test]
    fn two_risks_of_a_sink_are_two_problems() {
        let first_found = FirstFound::default();
        let now = Utc::now();
        let risk = |text: &str| Found::new(Reason::SinkAtRisk, text, "x").of_sink("stream");
        first_found.date(vec![risk("a")], now);
        let later = now + TimeDelta::seconds(9);
        let dated = first_found.date(vec![risk("a"), risk("b")], later);
        assert_eq!((dated[0].since, dated[1].since), (now, later));
    }
}
