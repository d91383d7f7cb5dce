//! The Redis Stream that events go to: one entry per event, its field `event` holds the envelope.

use std::time::Duration;

use redis::{RedisError, RedisResult, ServerError, Value, streams::StreamMaxlen};
use secrecy::SecretString;

use crate::{
    db::outbox::Event,
    domain::event::{ENVELOPE_VERSION, Envelope},
    redis_client::Connection,
};

use super::answers::Unavailable;

/// How long a publication may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// No event was published, or none is known to be.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What it is about.
    pub reason: Unavailable,
    error: RedisError,
}

impl Failure {
    /// Whether the broker has hung up, as it does when it can't read what it was sent.
    pub fn is_cut(&self) -> bool {
        self.reason == Unavailable::Unreachable && self.error.is_connection_dropped()
    }
}

/// What became of one event.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is on the stream.
    Accepted,
    /// The broker says something about its own state.
    Unavailable(Unavailable, String),
    /// The broker says something that may be about the event.
    Refused(String),
}

/// See the module.
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
        let connection = Connection::lazy(url, TIMEOUT)?;
        Ok(Self {
            connection,
            stream: stream.to_owned(),
            len_max,
        })
    }

    /// Appends events in their order, in one round trip; an answer for each.
    ///
    /// # Errors
    /// Any of them may have been appended or not: publishing is at least once.
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
                reason: Unavailable::of_error(&error),
                error,
            }),
        }
    }

    /// Whether the broker would take an event, without giving it one: its answer if not.
    pub async fn would_take_events(&mut self) -> Result<(), Answer> {
        let mut answer = self.probe().await;
        // What was asked before may have made it hang up: that says nothing about now.
        if answer
            .as_ref()
            .is_err_and(RedisError::is_connection_dropped)
        {
            answer = self.probe().await;
        }
        match Answer::from(answer) {
            // The last thing that Redis looks at before it would append.
            Answer::Refused(text) if is_about_the_id(&text) => Ok(()),
            other => Err(other),
        }
    }

    async fn probe(&mut self) -> RedisResult<Value> {
        probe(&self.stream).query_async(&mut self.connection).await
    }
}

/// An XADD that passes all of Redis' own checks (is it there, may we, is there room, is it a primary) and
/// is then refused for its id, which no entry can have.
pub(super) fn probe(stream: &str) -> redis::Cmd {
    let mut probe = redis::cmd("XADD");
    probe.arg(stream).arg("0-0").arg("event").arg("");
    probe
}

/// Whether this is the answer that a [`probe`] gets from a Redis that takes events.
pub(super) fn is_about_the_id(text: &str) -> bool {
    text.contains("must be greater than 0-0")
}

impl From<RedisResult<Value>> for Answer {
    fn from(answer: RedisResult<Value>) -> Self {
        let Err(error) = answer else {
            return Self::Accepted;
        };
        let text = error.to_string();
        let answers = error.clone().into_server_errors();
        let said: Option<&ServerError> =
            answers.as_deref().and_then(|it| it.first()).map(|it| &it.1);
        match said {
            Some(said) => match Unavailable::of_answer(said) {
                Some(reason) => Self::Unavailable(reason, text),
                None => Self::Refused(text),
            },
            None => Self::Unavailable(Unavailable::of_error(&error), text),
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
