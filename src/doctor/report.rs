//! A line of the report of `splitcart doctor`: what was looked at, its state, and what to do.

use std::{fmt, time::Duration};

use serde::Serialize;

/// The state of what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Well,
    NotWell,
    /// It could not be looked at, for want of a right or because something before it failed.
    NotSeen,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Well => "well",
            Self::NotWell => "NOT WELL",
            Self::NotSeen => "not seen",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Stable, with the group in front of a dot: `postgresql.fsync`.
    pub id: &'static str,
    /// The one of several that the line is about, such as the name of a sink.
    pub subject: Option<String>,
    pub state: State,
    pub found: String,
    pub what_to_do: Option<String>,
}

impl Line {
    pub fn well(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, State::Well, found.into(), None)
    }

    pub fn not_well(
        id: &'static str,
        found: impl Into<String>,
        what_to_do: impl Into<String>,
    ) -> Self {
        Self::new(id, State::NotWell, found.into(), Some(what_to_do.into()))
    }

    pub fn not_seen(id: &'static str, why: impl Into<String>) -> Self {
        Self::new(id, State::NotSeen, why.into(), None)
    }

    fn new(id: &'static str, state: State, found: String, what_to_do: Option<String>) -> Self {
        Self {
            id,
            subject: None,
            state,
            found,
            what_to_do,
        }
    }

    /// The same line about one of several.
    pub fn about(self, subject: &str) -> Self {
        Self {
            subject: Some(subject.to_owned()),
            ..self
        }
    }

    /// The part of the id before the dot.
    pub fn group(&self) -> &'static str {
        self.id.split('.').next().unwrap_or_default()
    }
}

/// The difference between two clocks from which on it is not well: times in tokens, in logs and in PostgreSQL
/// no longer fit together.
const APART_MAX: Duration = Duration::from_secs(2);

/// Judges a clock that was read by a question which took `round_trip`: the answer may be from any moment of
/// that time.
pub(super) fn clock(id: &'static str, ahead_ms: i64, round_trip: Duration) -> Line {
    let doubt_ms = i64::try_from(round_trip.as_millis()).unwrap_or(i64::MAX);
    let certain_ms = ahead_ms.saturating_abs().saturating_sub(doubt_ms).max(0);
    let limit_ms = i64::try_from(APART_MAX.as_millis()).unwrap_or(i64::MAX);
    if certain_ms <= limit_ms {
        let found =
            format!("it differs from this machine's clock by {certain_ms} ms or little more");
        return Line::well(id, found);
    }
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let seconds = ahead_ms.unsigned_abs() as f64 / 1000.0;
    Line::not_well(
        id,
        format!("its clock is {seconds:.1} s {direction} this machine's"),
        "have both machines' clocks set by NTP or chrony (`timedatectl status`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_is_certain() {
        let state = |ahead_ms, round_trip_ms| {
            clock("x.clock", ahead_ms, Duration::from_millis(round_trip_ms)).state
        };
        assert_eq!(state(1_999, 0), State::Well);
        assert_eq!(state(2_001, 0), State::NotWell);
        assert_eq!(state(-2_001, 0), State::NotWell);
        assert_eq!(state(2_400, 500), State::Well);
        assert_eq!(state(i64::MIN, 0), State::NotWell);
    }

    #[test]
    fn a_clock_that_differs_is_named_with_its_direction() {
        let ahead = clock("x.clock", 30_000, Duration::ZERO).found;
        assert!(ahead.contains("30.0 s ahead of"), "{ahead}");
        let behind = clock("x.clock", -3_500, Duration::ZERO).found;
        assert!(behind.contains("3.5 s behind"), "{behind}");
    }
}
