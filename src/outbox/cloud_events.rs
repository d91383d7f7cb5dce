//! The attributes of an event by CloudEvents 1.0, for brokers whose messages have headers. The message
//! itself is the envelope.
//!
//! Bindings to protocols name a header by its attribute with a prefix of their own: `ce-` in NATS, `ce_`
//! in Kafka. `traceparent` is the header of W3C Trace Context, without a prefix.

use chrono::SecondsFormat;

use crate::{db::outbox::Event, domain::event::ENVELOPE_VERSION};

const SPEC_VERSION: &str = "1.0";
/// The context in which ids are unique: this service.
const SOURCE: &str = "splitcart";
/// The media type of the envelope.
const CONTENT_TYPE: &str = "application/json";

/// The prefix of the headers in NATS.
pub const NATS_PREFIX: &str = "ce-";
/// The prefix of the headers in Kafka.
pub const KAFKA_PREFIX: &str = "ce_";

/// The headers of an event: names and values.
pub fn headers(event: &Event, prefix: &str) -> Vec<(String, String)> {
    let attributes = [
        ("specversion", SPEC_VERSION.to_owned()),
        ("id", event.id.to_string()),
        ("source", SOURCE.to_owned()),
        ("type", type_of(event)),
        (
            "subject",
            format!("{}/{}", event.aggregate_type, event.aggregate_id),
        ),
        (
            "time",
            event
                .created_at
                .to_rfc3339_opts(SecondsFormat::AutoSi, true),
        ),
    ];
    let mut headers: Vec<_> = attributes
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value))
        .collect();
    headers.push(("content-type".to_owned(), CONTENT_TYPE.to_owned()));
    if let Some(traceparent) = &event.traceparent {
        headers.push(("traceparent".to_owned(), traceparent.clone()));
    }
    headers
}

/// Such as `splitcart.order_created.v1`.
fn type_of(event: &Event) -> String {
    format!("{SOURCE}.{}.v{ENVELOPE_VERSION}", event.event_type)
}
