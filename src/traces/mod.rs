//! Traces: spans of requests, sent to a collector by OTLP.
//!
//! | piece | owns |
//! |---|---|
//! | [`Traces`] | which requests are kept, and the way of their spans to the exporter |
//! | [`options`] | the settings, and the standard variables `OTEL_*` |
//! | [`sampler`] | the decision at the beginning of a request |
//! | [`request`] | the spans of a request, made after it was answered |
//! | `batch` | the span of a batch, in a trace of its own |
//! | [`client`] | the client of the collector, and the resource |
//! | [`exporter`] | the thread that sends spans, and what is dropped |
//!
//! While a request is under way it has ids and nothing else. Its spans are made when it is answered, from
//! the times that the stages have taken anyway, and only if it is kept.

mod batch;
pub mod client;
pub mod exporter;
pub mod options;
pub mod request;
pub mod sampler;

use std::{sync::Arc, time::Duration};

use crate::{
    domain::trace_context::TraceParent,
    stages::span_ids::{SpanIds, new_span_id},
};

use self::{exporter::Queue, request::Answered, sampler::Sampler};

/// Where traces are on. Clones share it.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sampler: Sampler,
    slower_than: Option<Duration>,
    queue: Queue,
}

/// The place of a request in a trace.
#[derive(Clone, Debug, Default)]
pub struct RequestTrace {
    /// The span of the client that sent the request, as the client says.
    pub parent: Option<TraceParent>,
    /// The request's own span; `None` where traces are off.
    pub span: Option<SpanIds>,
}

impl Traces {
    /// Keeps what `sampler` chooses, what fails, and what takes longer than `slower_than`.
    pub fn new(sampler: Sampler, slower_than: Option<Duration>, queue: Queue) -> Self {
        Self(Arc::new(Shared {
            sampler,
            slower_than,
            queue,
        }))
    }

    /// The span of a request that begins now.
    pub fn begin(&self, parent: Option<&TraceParent>) -> SpanIds {
        let mut span = match parent {
            Some(parent) => SpanIds {
                trace_id: parent.trace_id(),
                span_id: new_span_id(),
                is_sampled: false,
            },
            None => SpanIds::new_trace(false),
        };
        span.is_sampled = self
            .0
            .sampler
            .samples(span.trace_id, parent.map(TraceParent::is_sampled));
        span
    }

    /// True if the trace of an answered request is kept.
    pub fn keep(&self, span: SpanIds, is_failure: bool, took: Duration) -> bool {
        let is_slow = self.0.slower_than.is_some_and(|limit| took > limit);
        span.is_sampled || is_failure || is_slow
    }

    /// Hands the spans of an answered request to the exporter, or drops and counts them. Never waits.
    pub fn send(&self, answered: &Answered<'_>) {
        let queue = &self.0.queue;
        let expected = answered.spans_expected();
        if queue.has_room(expected) {
            queue.send(request::spans(answered));
        } else {
            queue.drop_spans(expected);
        }
    }
}

impl RequestTrace {
    /// The parent of what the request causes: its own span if that is certain to be kept, else the
    /// client's, so that nobody looks for a span that is not there.
    pub fn for_events(&self) -> Option<TraceParent> {
        match self.span {
            Some(span) if span.is_sampled => {
                Some(TraceParent::of_span(span.trace_id, span.span_id, true))
            }
            _ => self.parent.clone(),
        }
    }

    pub fn trace_id(&self) -> Option<u128> {
        let of_parent = || self.parent.as_ref().map(TraceParent::trace_id);
        self.span.map(|span| span.trace_id).or_else(of_parent)
    }
}
