//! The measurements of a row, judged by its bars. Pure.

use std::{ops::Range, time::Duration};

use crate::latency::Percentiles;
use serde::Serialize;

use crate::fault_bench::{
    record::{Answers, Events},
    rows::{Bars, Row},
};

/// A rate, and the latency of purchases from their first try.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Figures {
    /// Those of the quiet phase.
    pub fn before(events: Events<'_>, phase: &Range<Duration>) -> Self {
        Self::new(events.rate(phase), events.latency(phase))
    }

    /// Those of the fault, and of all who met it.
    pub fn during(events: Events<'_>, phase: &Range<Duration>) -> Self {
        Self::new(events.rate(phase), events.latency_across(phase))
    }

    fn new(per_second: f64, latency: Option<Percentiles>) -> Self {
        Self {
            per_second,
            p50_ms: latency.map_or(0.0, |it| it.p50_ms),
            p99_ms: latency.map_or(0.0, |it| it.p99_ms),
        }
    }
}

/// Observations beside the figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    pub is_proven: bool,
    pub proof: String,
    pub complaint: Option<String>,
    /// Checkouts of which it is unknown in the end whether they were bought.
    pub undecided: usize,
    /// True if there were too few carts.
    pub ran_out: bool,
    /// Events that are not published seconds after the end.
    pub unpublished: i64,
    /// The audit's output, if it has findings.
    pub audit: Option<String>,
    /// The checkouts in the database less those that were answered with 201.
    pub lost_or_doubled: Option<i64>,
}

/// Everything that was measured of a row.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub row: Row,
    pub bars: Bars,
    pub before: Figures,
    pub during: Figures,
    pub share: f64,
    pub p99_times: f64,
    /// None if the rate was not back in the time that was looked at.
    pub back_s: Option<f64>,
    /// The share of the rate before that the slow moments of the quiet phase had.
    pub slow_share: f64,
    /// The same as `back_s`, for this share.
    pub back_to_slow_s: Option<f64>,
    pub looked_for_s: f64,
    pub others_refused: Answers,
    pub others_refusals: Option<Percentiles>,
    pub in_need_came: usize,
    pub in_need_bought: usize,
    pub in_need_refused: Answers,
    pub in_need_refusals: Option<Percentiles>,
    pub answers: Option<Percentiles>,
    pub refusals: Option<Percentiles>,
    /// Purchases of the others from the quiet phase on.
    pub per_100_ms: Vec<usize>,
    /// The number of these steps that are of the quiet phase.
    pub quiet_steps: u128,
    pub found: Found,
    pub complaints: Vec<String>,
    pub is_met: bool,
}

/// Holds a row against its bars.
pub fn judge(mut measured: Measured) -> Measured {
    let mut complaints = Vec::new();
    let Measured { bars, found, .. } = &measured;
    if !found.is_proven {
        complaints.push("not struck".to_owned());
    }
    if found.ran_out {
        complaints.push("the carts were used up, so the figures are worth nothing".to_owned());
    }
    complaints.extend(found.complaint.clone());
    if let Some(audit) = &found.audit {
        let last = audit.trim().lines().last().unwrap_or_default();
        complaints.push(format!("the audit finds something broken: {last}"));
    }
    if let Some(more) = found.lost_or_doubled {
        complaints.push(format!(
            "the database has {more:+} checkouts against the answers"
        ));
    }
    at_least(&mut complaints, "share", Some(measured.share), bars.share);
    at_most(
        &mut complaints,
        "times the p99 before",
        Some(measured.p99_times),
        bars.p99_times,
    );
    let longest = measured.refusals.map(|it| it.max_ms);
    at_most(
        &mut complaints,
        "ms, the longest refusal",
        longest,
        bars.refusal_ms,
    );
    let most = measured.refusals.map(|it| it.p99_ms);
    at_most(
        &mut complaints,
        "ms, p99 of refusals",
        most,
        bars.refusal_p99_ms,
    );
    let longest = measured.answers.map(|it| it.max_ms);
    at_most(
        &mut complaints,
        "ms, the longest answer",
        longest,
        bars.answer_ms,
    );
    if let Some(bar) = bars.back_s
        && measured.back_s.is_none_or(|it| it > bar + 0.05)
    {
        let back = measured.back_s.map_or_else(
            || format!("not within {:.0} s", measured.looked_for_s),
            |it| format!("after {it:.1} s"),
        );
        complaints.push(format!("back {back}, the bar is {bar} s"));
    }
    if bars.all_bought && measured.in_need_bought < measured.in_need_came {
        complaints.push(format!(
            "{} of {} in need were not served in the end",
            measured.in_need_came - measured.in_need_bought,
            measured.in_need_came
        ));
    }
    if found.undecided > 0 {
        complaints.push(format!("{} are undecided in the end", found.undecided));
    }
    if bars.published && found.unpublished > 0 {
        complaints.push(format!("{} events are not published", found.unpublished));
    }
    measured.is_met = complaints.is_empty();
    measured.complaints = complaints;
    measured
}

fn at_least(complaints: &mut Vec<String>, what: &str, value: Option<f64>, bar: Option<f64>) {
    if let (Some(value), Some(bar)) = (value, bar)
        && value < bar
    {
        complaints.push(format!(
            "{:.0} % {what}, the bar is {:.0} %",
            100.0 * value,
            100.0 * bar
        ));
    }
}

fn at_most(complaints: &mut Vec<String>, what: &str, value: Option<f64>, bar: Option<f64>) {
    if let (Some(value), Some(bar)) = (value, bar)
        && value > bar
    {
        complaints.push(format!("{value:.1} {what}, the bar is {bar}"));
    }
}
