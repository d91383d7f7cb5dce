//! The spans of a request, made after it was answered: one for the request, and below it one for each wait,
//! each attempt at a batch and each statement that the stages have measured.

use std::{
    borrow::Cow,
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanLinks};

use crate::stages::{
    Stage,
    laps::Lap,
    span_ids::{SpanIds, new_span_id},
    trip::{Attempt, Way},
};

use super::batch;

/// The spans of an attempt that succeeds, on average.
const SPANS_OF_ATTEMPT: usize = 17;

/// A request that was answered and is kept.
#[derive(Debug)]
pub struct Answered<'a> {
    pub span: SpanIds,
    /// The span of the client.
    pub parent_id: Option<u64>,
    /// The header `tracestate`, which belongs to the client's span.
    pub trace_state: Option<&'a str>,
    /// Such as `POST /api/v1/checkout`.
    pub name: String,
    pub attributes: Vec<KeyValue>,
    /// True if the service is to blame for the answer.
    pub is_failure: bool,
    pub began_at: Instant,
    pub took: Duration,
    /// The way of a checkout, and what is known of the way of other requests.
    pub way: Option<&'a Way>,
}

impl Answered<'_> {
    /// About as many spans as will be made.
    pub(super) fn spans_expected(&self) -> usize {
        let of_way = |way: &Way| 1 + way.redis.len() + way.attempts.len() * SPANS_OF_ATTEMPT;
        1 + self.way.map_or(0, of_way)
    }

    /// The end of the request.
    fn ended_at(&self) -> Instant {
        self.began_at + self.took
    }
}

/// The spans, the request's own first.
pub fn spans(answered: &Answered<'_>) -> Vec<SpanData> {
    let clock = Clock::now();
    let mut tree = Tree {
        clock,
        answered,
        trace_state: trace_state(answered.trace_state),
        spans: Vec::with_capacity(answered.spans_expected() + 1),
    };
    let mut attributes = answered.attributes.clone();
    if let Some(way) = answered.way.filter(|way| way.last_attempt().is_some()) {
        let times = way.times(answered.took);
        let stages = times.iter().filter(|(_, time)| !time.is_zero());
        attributes.extend(stages.map(|(stage, time)| {
            let name = format!("splitcart.stage.{}_ms", stage.name());
            KeyValue::new(name, time.as_secs_f64() * 1000.0)
        }));
    }
    let mut root = tree.span(
        answered.span.span_id,
        answered.parent_id.unwrap_or(0),
        answered.name.clone(),
        SpanKind::Server,
        (answered.began_at, answered.ended_at()),
    );
    root.parent_span_is_remote = answered.parent_id.is_some();
    root.attributes = attributes;
    if answered.is_failure {
        root.status = Status::error("");
    }
    tree.spans.push(root);
    if let Some(way) = answered.way {
        tree.add_way(way);
    }
    tree.spans
}

/// The header, if it is well-formed.
fn trace_state(header: Option<&str>) -> TraceState {
    header
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

struct Tree<'a> {
    clock: Clock,
    answered: &'a Answered<'a>,
    trace_state: TraceState,
    spans: Vec<SpanData>,
}

impl Tree<'_> {
    fn add_way(&mut self, way: &Way) {
        let root = self.answered.span.span_id;
        for (since, until) in &way.redis {
            self.add_child(root, "ask for the key", Kind::Redis, (*since, *until));
        }
        let mut idle_since = way.queued_at;
        for (number, attempt) in (1..).zip(&way.attempts) {
            if let Some(since) = idle_since {
                let is_first = number == 1;
                self.add_wait(is_first, (since, attempt.laps.began_at()));
            }
            idle_since = Some(self.add_attempt(number, attempt));
        }
        if let (Some(since), Some(given_up_at)) = (idle_since, way.given_up_at)
            && given_up_at > since
        {
            self.add_wait(way.attempts.is_empty(), (since, given_up_at));
        }
    }

    fn add_wait(&mut self, is_first: bool, times: (Instant, Instant)) {
        let root = self.answered.span.span_id;
        let waited_for = if is_first {
            "wait in the queue"
        } else {
            "wait to be tried again"
        };
        self.add_child(root, waited_for, Kind::Inside, times);
    }

    /// Returns the end of the attempt.
    fn add_attempt(&mut self, number: i64, attempt: &Attempt) -> Instant {
        let laps = attempt.laps.list();
        let began_at = attempt.laps.began_at();
        let failed = attempt.laps.failed();
        let last_ended_at = laps.last().map_or(began_at, |lap| lap.ended_at);
        let ended_at = failed.map_or(last_ended_at, |failed| failed.at);
        let is_over = failed.is_some() || laps.last().is_some_and(|lap| lap.stage == Stage::Commit);
        // A request that was answered before its batch has ended has waited for the batch until then.
        let ended_at = if is_over {
            ended_at
        } else {
            self.answered.ended_at()
        };
        let id = self.add_child(
            self.answered.span.span_id,
            "batch",
            Kind::Inside,
            (began_at, ended_at),
        );
        let span = self.spans.last_mut().expect("it was added just now");
        let size = i64::try_from(attempt.batch_size).unwrap_or(i64::MAX);
        span.attributes = vec![
            KeyValue::new("batch.size", size),
            KeyValue::new("batch.attempt", number),
        ];
        if let Some(failed) = failed {
            let because = failed.because;
            span.attributes.push(KeyValue::new("error.type", because));
            span.status = Status::error(because);
        }
        if let Some(batch) = attempt.laps.batch_ids() {
            span.links = links([batch]);
        }
        for lap in &laps {
            self.add_lap(id, lap);
        }
        if ended_at > last_ended_at {
            self.add_child(id, "unfinished", Kind::Inside, (last_ended_at, ended_at));
            let span = self.spans.last_mut().expect("it was added just now");
            span.status = failed.map_or(Status::Unset, |failed| Status::error(failed.because));
        }
        if let Some(batch) = attempt.laps.report_batch() {
            let times = (self.clock.at(began_at), self.clock.at(ended_at));
            let first = self.answered.span;
            self.spans.push(batch::span(&batch, first, attempt, times));
        }
        ended_at
    }

    fn add_lap(&mut self, parent_id: u64, lap: &Lap) {
        let kind = match lap.stage {
            Stage::Rendering | Stage::Turns => Kind::Inside,
            _ => Kind::Statement,
        };
        let id = self.add_child(parent_id, lap.name, kind, (lap.began_at, lap.ended_at));
        debug_assert_ne!(id, parent_id);
        let span = self.spans.last_mut().expect("it was added just now");
        let stage = KeyValue::new("splitcart.stage", lap.stage.name());
        span.attributes.push(stage);
    }

    /// Returns the id of the span.
    fn add_child(
        &mut self,
        parent_id: u64,
        name: &'static str,
        kind: Kind,
        times: (Instant, Instant),
    ) -> u64 {
        let id = new_span_id();
        let (span_kind, system) = match kind {
            Kind::Inside => (SpanKind::Internal, None),
            Kind::Statement => (SpanKind::Client, Some("postgresql")),
            Kind::Redis => (SpanKind::Client, Some("redis")),
        };
        let mut span = self.span(id, parent_id, name, span_kind, times);
        if let Some(system) = system {
            span.attributes
                .push(KeyValue::new("db.system.name", system));
            let summary = KeyValue::new("db.query.summary", name);
            span.attributes.push(summary);
        }
        self.spans.push(span);
        id
    }

    /// A span of this trace. Whatever goes on after the answer ends with the request.
    fn span(
        &self,
        id: u64,
        parent_id: u64,
        name: impl Into<Cow<'static, str>>,
        span_kind: SpanKind,
        (from, to): (Instant, Instant),
    ) -> SpanData {
        let end = self.answered.ended_at();
        let (from, to) = (from.min(end), to.min(end));
        let ids = SpanIds {
            span_id: id,
            ..self.answered.span
        };
        SpanData {
            span_context: context(ids, self.trace_state.clone()),
            parent_span_id: SpanId::from(parent_id),
            parent_span_is_remote: false,
            span_kind,
            name: name.into(),
            start_time: self.clock.at(from),
            end_time: self.clock.at(to),
            ..empty_span()
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Inside,
    Statement,
    Redis,
}

/// Tells the system's time of an instant. One clock for all spans of a request, so that they fit together
/// even if the system's clock is set meanwhile.
#[derive(Clone, Copy)]
struct Clock {
    instant: Instant,
    system: SystemTime,
}

impl Clock {
    fn now() -> Self {
        Self {
            instant: Instant::now(),
            system: SystemTime::now(),
        }
    }

    fn at(self, instant: Instant) -> SystemTime {
        self.system - self.instant.saturating_duration_since(instant)
    }
}

/// The context of a span that is kept.
pub(super) fn context(ids: SpanIds, trace_state: TraceState) -> SpanContext {
    SpanContext::new(
        TraceId::from(ids.trace_id),
        SpanId::from(ids.span_id),
        TraceFlags::SAMPLED,
        false,
        trace_state,
    )
}

pub(super) fn links(to: impl IntoIterator<Item = SpanIds>) -> SpanLinks {
    let to = to.into_iter();
    let mut links = SpanLinks::default();
    links.links = to
        .map(|ids| Link::with_context(context(ids, TraceState::NONE)))
        .collect();
    links
}

/// The fields that all spans have in common.
pub(super) fn empty_span() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::Borrowed(""),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: opentelemetry_sdk::trace::SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("splitcart")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

/// An attribute, if there is a value.
pub fn attribute(name: &'static str, value: Option<impl Into<Value>>) -> Option<KeyValue> {
    value.map(|value| KeyValue::new(name, value))
}

#[cfg(test)]
mod tests;
