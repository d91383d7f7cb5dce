//! The Redis Stream that events go to: one entry per event, its field `event` holds the envelope.

use std::time::Duration;

use redis::{RedisError, ServerError, ServerErrorKind, streams::StreamMaxlen};
use secrecy::SecretString;

use crate::{
    db::outbox::ClaimedEvent,
    domain::event::{ENVELOPE_VERSION, Envelope},
    redis_client::Connection,
};

/// How long a publication may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why events were not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker can't be reached or can't take anything at present; the events are not to blame.
    #[error("the broker is not available: {0}")]
    Unavailable(RedisError),
    /// The broker refused what it was sent.
    #[error("the broker refused: {0}")]
    Refused(RedisError),
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

    /// Appends events in their order, in one round trip.
    ///
    /// # Errors
    /// Any of them may have been appended or not: publishing is at least once.
    pub async fn publish(&mut self, events: &[&ClaimedEvent]) -> Result<(), PublishError> {
        let mut pipeline = redis::pipe();
        for event in events {
            let envelope = serde_json::to_string(&envelope(event)).expect("an envelope is JSON");
            let command = pipeline.cmd("XADD").arg(&self.stream);
            if self.len_max > 0 {
                command.arg(StreamMaxlen::Approx(self.len_max));
            }
            command.arg("*").arg("event").arg(envelope).ignore();
        }
        pipeline
            .query_async::<()>(&mut self.connection)
            .await
            .map_err(PublishError::from)
    }
}

impl From<RedisError> for PublishError {
    fn from(error: RedisError) -> Self {
        // A pipeline's error has no code of its own, only those of its commands have one.
        let answers = error.clone().into_server_errors();
        if answers.is_some_and(|answers| answers.iter().any(|(_, answer)| is_refusal(answer))) {
            Self::Refused(error)
        } else {
            Self::Unavailable(error)
        }
    }
}

/// Whether an answer is about what the broker was sent, and not about the broker's own state.
fn is_refusal(answer: &ServerError) -> bool {
    // OOM is "command not allowed when used memory > maxmemory".
    let of_state = [
        "OOM",
        "NOREPLICAS",
        "NOAUTH",
        "WRONGPASS",
        "NOPERM",
        "MISCONF",
    ];
    matches!(answer.kind(), None | Some(ServerErrorKind::ResponseError))
        && !of_state.contains(&answer.code())
}

fn envelope(event: &ClaimedEvent) -> Envelope {
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
