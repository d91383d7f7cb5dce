//! Writes events to the log, a line each, for trying.

use async_trait::async_trait;

use crate::db::outbox::Event;

use super::{Answer, Failure, Sink, Unavailable};

/// The target of the lines, for `log.filter`.
pub const TARGET: &str = "splitcart::events";

/// The log of this process.
#[derive(Clone, Copy, Debug)]
pub struct Log;

/// An event that no line was written for has not arrived.
fn check_filter() -> Result<(), Answer> {
    if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return Ok(());
    }
    Err(Answer::Unavailable(
        Unavailable::NotAllowed,
        format!("log.filter hides the lines of events: add {TARGET}=info to it"),
    ))
}

#[async_trait(?Send)]
impl Sink for Log {
    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        if let Err(hidden) = check_filter() {
            return Ok(vec![hidden; events.len()]);
        }
        for event in events {
            let envelope = serde_json::to_string(&event.envelope()).expect("an envelope is JSON");
            tracing::info!(target: TARGET, "{envelope}");
        }
        Ok(vec![Answer::Accepted; events.len()])
    }

    async fn would_take_events(&mut self) -> Result<(), Answer> {
        check_filter()
    }
}
