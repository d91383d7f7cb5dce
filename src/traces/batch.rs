//! The span of a batch. It belongs to no request, so it has a trace of its own and links to those of its
//! members.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::SpanData;

use crate::stages::{StageTimes, laps::TracedBatch, span_ids::SpanIds, trip::Attempt};

use super::request::{context, empty_span, links};

/// The limit of OpenTelemetry's SDKs.
const LINKS_MAX: usize = 128;

/// The span. `first` is the member whose answer has made the batch known.
///
/// The links lead to members that are certain to be kept. If the first one is kept only because it was slow
/// or failed, the others probably are too, so the links lead to all.
pub(super) fn span(
    batch: &TracedBatch,
    first: SpanIds,
    attempt: &Attempt,
    (start_time, end_time): (SystemTime, SystemTime),
) -> SpanData {
    let members = batch.members.iter().copied();
    let kept = members.filter(|member| member.is_sampled || !first.is_sampled);
    let kept: Vec<_> = kept.collect();
    let mut links = links(kept.iter().take(LINKS_MAX).copied());
    links.dropped_count = u32::try_from(kept.len().saturating_sub(LINKS_MAX)).unwrap_or(u32::MAX);
    let mut times = StageTimes::default();
    attempt.laps.add_to(&mut times);
    let size = i64::try_from(attempt.batch_size).unwrap_or(i64::MAX);
    let mut attributes = vec![KeyValue::new("batch.size", size)];
    let stages = times.iter().filter(|(_, time)| !time.is_zero());
    attributes.extend(stages.map(|(stage, time)| {
        let name = format!("splitcart.stage.{}_ms", stage.name());
        KeyValue::new(name, time.as_secs_f64() * 1000.0)
    }));
    let mut status = Status::Unset;
    if let Some(failed) = attempt.laps.failed() {
        attributes.push(KeyValue::new("error.type", failed.because));
        status = Status::error(failed.because);
    }
    SpanData {
        span_context: context(batch.ids, TraceState::NONE),
        span_kind: SpanKind::Internal,
        name: "batch of checkouts".into(),
        start_time,
        end_time,
        attributes,
        links,
        status,
        ..empty_span()
    }
}
