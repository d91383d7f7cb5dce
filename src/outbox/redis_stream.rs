//! Sends events to a Redis Stream: one entry per event, with the envelope in its field `event`.
//!
//! Each event gets an answer; what follows from an answer is decided by the publisher.

use std::time::Duration;

use redis::{RedisError, RedisResult, ServerError, Value, streams::StreamMaxlen};
use secrecy::SecretString;

use crate::{
    db::outbox::Event,
    domain::event::{ENVELOPE_VERSION, Envelope},
    redis_client::Connection,
};

use super::broker_errors::Unavailable;

const PUBLISH_MAX: Duration = Duration::from_secs(2);

/// A round trip that failed: each of its events may have been published or not.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    pub reason: Unavailable,
    error: RedisError,
}

impl Failure {
    /// True if the broker closed the connection, as Redis does on a request that it can't read.
    pub fn is_hang_up(&self) -> bool {
        self.reason == Unavailable::Unreachable && self.error.is_connection_dropped()
    }
}

/// The broker's answer to one event.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The event is on the stream.
    Accepted,
    /// The broker takes no event at present.
    Unavailable(Unavailable, String),
    /// An error that may be about the event.
    Refused(String),
}

pub struct RedisStream {
    connection: Connection,
    stream: String,
    /// 0: unbounded.
    len_max: usize,
}

impl RedisStream {
    /// Connects when first used.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn open(url: &SecretString, stream: &str, len_max: usize) -> Result<Self, RedisError> {
        let connection = Connection::lazy(url, PUBLISH_MAX)?;
        Ok(Self {
            connection,
            stream: stream.to_owned(),
            len_max,
        })
    }

    /// Appends events in order, in one round trip. Returns an answer for each.
    pub async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        let mut pipeline = redis::pipe();
        for event in events {
            let envelope = serde_json::to_string(&envelope(event)).expect("an envelope is JSON");
            let command = pipeline.cmd("XADD").arg(&self.stream);
            if self.len_max > 0 {
                command.arg(StreamMaxlen::Approx(self.len_max));
            }
            command.arg("*").arg("event").arg(envelope);
        }
        let answers: RedisResult<Vec<RedisResult<Value>>> = pipeline
            .ignore_errors()
            .query_async(&mut self.connection)
            .await;
        match answers {
            Ok(answers) => Ok(answers.into_iter().map(Answer::from).collect()),
            Err(error) => Err(Failure {
                reason: Unavailable::of_round_trip(&error),
                error,
            }),
        }
    }

    /// Probes whether the broker would take an event, without publishing one.
    ///
    /// # Errors
    /// The broker's answer, if it would not.
    pub async fn would_take_events(&mut self) -> Result<(), Answer> {
        let mut answer = self.probe().await;
        // An earlier request may have made the broker hang up, which says nothing about the present.
        if answer
            .as_ref()
            .is_err_and(RedisError::is_connection_dropped)
        {
            answer = self.probe().await;
        }
        match Answer::from(answer) {
            // The id is the last thing that Redis checks before it appends.
            Answer::Refused(text) if is_refused_for_its_id(&text) => Ok(()),
            other => Err(other),
        }
    }

    async fn probe(&mut self) -> RedisResult<Value> {
        probe(&self.stream).query_async(&mut self.connection).await
    }
}

/// Builds an XADD that passes every check of Redis (permission, role, memory, type of the key) and is then
/// refused for its id, which no entry can have.
pub(super) fn probe(stream: &str) -> redis::Cmd {
    let mut probe = redis::cmd("XADD");
    probe.arg(stream).arg("0-0").arg("event").arg("");
    probe
}

/// True if this is the error that a [`probe`] gets from a Redis that takes events.
pub(super) fn is_refused_for_its_id(text: &str) -> bool {
    text.contains("must be greater than 0-0")
}

impl From<RedisResult<Value>> for Answer {
    fn from(answer: RedisResult<Value>) -> Self {
        let Err(error) = answer else {
            return Self::Accepted;
        };
        let text = error.to_string();
        let errors = error.clone().into_server_errors();
        let first: Option<&ServerError> = errors
            .as_deref()
            .and_then(<[_]>::first)
            .map(|(_, error)| error);
        match first {
            Some(first) => match Unavailable::of_server_error(first) {
                Some(reason) => Self::Unavailable(reason, text),
                None => Self::Refused(text),
            },
            None => Self::Unavailable(Unavailable::of_round_trip(&error), text),
        }
    }
}

fn envelope(event: &Event) -> Envelope {
    Envelope {
        version: ENVELOPE_VERSION,
        event_id: event.id,
        occurred_at: event.created_at,
        event_type: event.event_type.clone(),
        aggregate_type: event.aggregate_type.clone(),
        aggregate_id: event.aggregate_id,
        actor: event.actor,
        data: event.payload.clone(),
    }
}

impl std::fmt::Debug for RedisStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStream")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
