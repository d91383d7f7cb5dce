//! Sends events to a Redis Stream: one entry per event, with the envelope in its field `event`.
//!
//! | rule | file |
//! |---|---|
//! | which errors are about Redis itself, and which may be about an event | `errors` |
//! | warnings about a Redis that may lose events | [`concerns`] |

pub mod concerns;
mod errors;

use std::time::Duration;

use async_trait::async_trait;
use redis::{RedisError, RedisResult, ServerError, Value, streams::StreamMaxlen};
use secrecy::SecretString;

use crate::{db::outbox::Event, redis_client::Connection};

use super::{Answer, Failure, Sink, Unavailable};

const PUBLISH_MAX: Duration = Duration::from_secs(2);

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

    async fn probe(&mut self) -> RedisResult<Value> {
        probe(&self.stream).query_async(&mut self.connection).await
    }
}

#[async_trait(?Send)]
impl Sink for RedisStream {
    /// Appends events in order, in one round trip.
    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        let mut pipeline = redis::pipe();
        for event in events {
            let envelope = serde_json::to_string(&event.envelope()).expect("an envelope is JSON");
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
            Err(error) => Err(error.into()),
        }
    }

    async fn would_take_events(&mut self) -> Result<(), Answer> {
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
}

/// Builds an XADD that passes every check of Redis (permission, role, memory, type of the key) and is then
/// refused for its id, which no entry can have.
fn probe(stream: &str) -> redis::Cmd {
    let mut probe = redis::cmd("XADD");
    probe.arg(stream).arg("0-0").arg("event").arg("");
    probe
}

/// True if this is the error that a [`probe`] gets from a Redis that takes events.
fn is_refused_for_its_id(text: &str) -> bool {
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
            Some(first) => match errors::of_server_error(first) {
                Some(reason) => Self::Unavailable(reason, text),
                None => Self::Refused(text),
            },
            None => Self::Unavailable(errors::of_round_trip(&error), text),
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let reason = errors::of_round_trip(&error);
        Self {
            reason,
            text: error.to_string(),
            is_hang_up: reason == Unavailable::Unreachable && error.is_connection_dropped(),
        }
    }
}

impl std::fmt::Debug for RedisStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStream")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
