//! The place of a request, or of a batch, in a trace. The way of a checkout carries it, so that spans which
//! are made at its end can refer to each other.

/// A span, and the trace that it belongs to. Neither id is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanIds {
    pub trace_id: u128,
    pub span_id: u64,
    /// True if it was certain from the beginning that the trace is kept.
    pub is_sampled: bool,
}

impl SpanIds {
    /// A span in a trace of its own.
    pub fn new_trace(is_sampled: bool) -> Self {
        let trace_id = loop {
            let id: u128 = rand::random();
            if id != 0 {
                break id;
            }
        };
        Self {
            trace_id,
            span_id: new_span_id(),
            is_sampled,
        }
    }
}

/// An id of a span.
pub fn new_span_id() -> u64 {
    loop {
        let id: u64 = rand::random();
        if id != 0 {
            return id;
        }
    }
}
