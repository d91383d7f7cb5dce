//! A sink: what takes events, such as a Redis Stream.
//!
//! | rule | file |
//! |---|---|
//! | the settings of each kind, and its opening | [`options`] |
//! | reasons for which a sink takes no event at all | `unavailable` |
//! | a Redis Stream | [`redis_stream`] |
//! | a stream of NATS JetStream | [`nats`] |
//! | a topic of Apache Kafka (with the feature `kafka`) | `kafka` |
//! | lines in the log, for trying | [`log`] |
//! | the endpoints of stores | [`webhook`] |

#[cfg(feature = "kafka")]
pub mod kafka;
pub mod log;
pub mod nats;
pub mod options;
pub mod redis_stream;
mod unavailable;
pub mod webhook;

use async_trait::async_trait;

use crate::db::outbox::Event;

pub use self::unavailable::Unavailable;

/// What takes events. What follows from its answers is decided by its caller.
#[async_trait(?Send)]
pub trait Sink {
    /// Publishes events of different aggregates, and returns an answer for each, in the same order. Ends
    /// within a time limit of its own.
    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure>;

    /// Probes whether the sink would take an event, without publishing one.
    ///
    /// # Errors
    /// The sink's answer, if it would not.
    async fn would_take_events(&mut self) -> Result<(), Answer>;
}

/// The answer to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The sink has the event.
    Accepted,
    /// The sink takes no event at present.
    Unavailable(Unavailable, String),
    /// An error that may be about the event.
    Refused(String),
}

/// A round trip that failed: each of its events may have been published or not.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub reason: Unavailable,
    pub text: String,
    /// True if the sink closed the connection, as Redis does on a request that it can't read.
    pub is_hang_up: bool,
}

impl From<(Unavailable, String)> for Failure {
    fn from((reason, text): (Unavailable, String)) -> Self {
        Self {
            reason,
            text,
            is_hang_up: false,
        }
    }
}

/// True if a publication has shown that the sink, or the connection to it, takes no events at present.
fn takes_none<E>(published: &Result<Vec<Answer>, E>) -> bool {
    let is_unavailable = |answer: &Answer| matches!(answer, Answer::Unavailable(..));
    published
        .as_ref()
        .map_or(true, |answers| answers.iter().any(is_unavailable))
}
