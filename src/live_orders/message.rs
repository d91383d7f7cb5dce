//! An event as a stream has it: server-sent events, whose ids are places in the log.

use std::sync::Arc;

use crate::domain::event::Envelope;

/// An event with its place in the log. Cloning shares the text.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub seq: i64,
    pub text: Arc<str>,
}

impl Message {
    pub(super) fn of(seq: i64, envelope: &Envelope) -> Self {
        let data = serde_json::to_string(envelope).expect("an event is JSON");
        let event = &envelope.event_type;
        // JSON has no line breaks of its own, and the name of a type has none either.
        let text = format!("id: {seq}\nevent: {event}\ndata: {data}\n\n");
        Self {
            seq,
            text: text.into(),
        }
    }
}

/// The beginning of a stream, which resumes from this place.
pub(super) fn opened(seq: i64, retry_ms: u64) -> String {
    format!(": open\nretry: {retry_ms}\nid: {seq}\n\n")
}

/// Says that events are missing between the place that was asked for and this one.
pub(super) fn reset(seq: i64) -> String {
    format!(
        "id: {seq}\nevent: reset\ndata: {{\"message\":\"Events since Last-Event-ID can't be sent again. Read \
         your orders with GET /api/v1/orders; the stream goes on from here.\"}}\n\n"
    )
}

/// Nothing has happened up to this place.
pub(super) fn heartbeat(seq: i64) -> String {
    format!(": heartbeat\nid: {seq}\n\n")
}
