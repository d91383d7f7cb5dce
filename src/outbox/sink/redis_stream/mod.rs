//! Sends events to a Redis Stream: one entry per event, with the envelope in its field `event`.
//!
//! | rule | file |
//! |---|---|
//! | which errors are about Redis itself, and which may be about an event | `errors` |
//! | waiting until events are on disk | `wait_aof` |
//! | warnings about a Redis that may lose events | [`concerns`] |

pub mod concerns;
mod errors;
mod wait_aof;

use std::time::Duration;

use async_trait::async_trait;
use redis::{RedisError, RedisResult, ServerError, Value, streams::StreamMaxlen};

use crate::{db::outbox::Event, redis_client::Connection};

use super::{Answer, Failure, Sink, Unavailable, options::RedisStreamOptions};

const PUBLISH_MAX: Duration = Duration::from_secs(2);

pub struct RedisStream {
    connection: Connection,
    stream: String,
    /// 0: unbounded.
    len_max: usize,
    /// Waits until the append-only file is on disk, for this long.
    wait_aof: Option<Duration>,
}

impl RedisStream {
    /// Connects when first used.
    pub fn open(options: &RedisStreamOptions) -> Self {
        let publish_max = PUBLISH_MAX + options.wait_aof.unwrap_or_default();
        let probe = probe(&options.stream);
        let connection = Connection::lazy_for(&options.redis, probe, publish_max);
        Self {
            connection,
            stream: options.stream.clone(),
            len_max: options.len_max,
            wait_aof: options.wait_aof,
        }
    }

    async fn probe(&mut self) -> RedisResult<Value> {
        probe(&self.stream).query_async(&mut self.connection).await
    }

    async fn would_reach_the_disk(&mut self, wait: Duration) -> Result<(), Answer> {
        let answer = wait_aof::command(wait)
            .query_async(&mut self.connection)
            .await;
        wait_aof::check(answer, wait).map_err(|(reason, text)| Answer::Unavailable(reason, text))
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
        if let Some(wait) = self.wait_aof {
            pipeline.add_command(wait_aof::command(wait));
        }
        let answers: RedisResult<Vec<RedisResult<Value>>> = pipeline
            .ignore_errors()
            .query_async(&mut self.connection)
            .await;
        let mut answers = answers?;
        let not_on_disk = match self.wait_aof {
            Some(wait) => {
                let answer = answers.pop().expect("each command has an answer");
                wait_aof::check(answer, wait).err()
            }
            None => None,
        };
        let answers = answers.into_iter().map(Answer::from);
        Ok(match not_on_disk {
            None => answers.collect(),
            Some((reason, text)) => answers
                .map(|answer| match answer {
                    Answer::Accepted => Answer::Unavailable(reason, text.clone()),
                    other => other,
                })
                .collect(),
        })
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
            Answer::Refused(text) if is_refused_for_its_id(&text) => {}
            other => return Err(other),
        }
        match self.wait_aof {
            Some(wait) => self.would_reach_the_disk(wait).await,
            None => Ok(()),
        }
    }
}

/// Builds an XADD that passes every check of Redis (permission, role, memory, type of the key) and is then
/// refused for its id, which no entry can have.
pub fn probe(stream: &str) -> redis::Cmd {
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
