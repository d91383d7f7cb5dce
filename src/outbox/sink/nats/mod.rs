//! Publishes events to a stream of NATS JetStream: one message per event, its payload the envelope.
//!
//! An event is accepted when the server has acknowledged it. Its id is the message's `Nats-Msg-Id`: within
//! the stream's window for duplicates the server stores it once, however often it is published.

mod answers;
mod connection;
mod stream;

use std::time::Duration;

use async_nats::{HeaderMap, header, jetstream::context::PublishAckFuture};
use async_trait::async_trait;
use futures_util::future::join_all;

use crate::{
    db::outbox::Event,
    outbox::cloud_events::{self, NATS_PREFIX},
};

use super::{Answer, Failure, Sink, Unavailable, takes_none, webhook::Repeats};

use self::{
    answers::{of_publish_error, of_timeout},
    connection::Connection,
};

pub use self::{connection::SignIn, stream::StreamSettings};

/// The time limit of publishing a batch, from the first message to the last acknowledgement.
const PUBLISH_MAX: Duration = Duration::from_secs(2);
/// The time limit of connecting, and of looking at the stream or making it.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const SUBJECT_PREFIX: &str = "splitcart";

/// The settings of the sink.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    pub sign_in: SignIn,
    pub stream: StreamSettings,
}

/// A stream of NATS JetStream.
#[derive(Debug)]
pub struct NatsJetStream {
    settings: NatsSettings,
    repeats: Repeats,
    /// None before the first use, and after a failure.
    connection: Option<Connection>,
}

impl NatsJetStream {
    /// Connects when first used.
    pub fn new(settings: NatsSettings, repeats: Repeats) -> Self {
        Self {
            settings,
            repeats,
            connection: None,
        }
    }

    /// The connection, with a stream behind it that takes our subjects.
    async fn connect(&mut self) -> Result<&mut Connection, (Unavailable, String)> {
        // A client that has lost its server would connect again by itself, and then send what was given
        // up long ago. Another client has nothing to send.
        self.connection.take_if(|connection| !connection.is_up());
        if self.connection.is_none() {
            let opening = async {
                let connection = Connection::open(&self.settings.sign_in).await?;
                stream::find_or_make(connection.jetstream(), &self.settings.stream).await?;
                Ok(connection)
            };
            let opened = tokio::time::timeout(CONNECT_MAX, opening).await;
            self.connection = Some(opened.unwrap_or_else(|_| {
                Err((
                    Unavailable::NoAnswer,
                    format!("NATS did not answer within {CONNECT_MAX:?}"),
                ))
            })?);
        }
        Ok(self.connection.as_mut().expect("it was made above"))
    }

    async fn send(&mut self, events: &[&Event]) -> Result<Vec<Answer>, (Unavailable, String)> {
        let repeats = self.repeats;
        let connection = self.connect().await?;
        let deadline = tokio::time::Instant::now() + PUBLISH_MAX;
        let mut waiting = Vec::with_capacity(events.len());
        for event in events {
            let sending = send_one(connection, event, repeats);
            waiting.push(match tokio::time::timeout_at(deadline, sending).await {
                Ok(sent) => sent,
                Err(_) => Err(of_timeout(connection)),
            });
        }
        let answers = join_all(waiting.into_iter().map(async |sent| match sent {
            Ok(acknowledgement) => {
                match tokio::time::timeout_at(deadline, acknowledgement.into_future()).await {
                    Ok(Ok(_)) => Answer::Accepted,
                    Ok(Err(error)) => of_publish_error(&error, connection),
                    Err(_) => of_timeout(connection),
                }
            }
            Err(answer) => answer,
        }));
        Ok(answers.await)
    }
}

/// Hands one event to the client, which sends it at once.
async fn send_one(
    connection: &Connection,
    event: &Event,
    repeats: Repeats,
) -> Result<PublishAckFuture, Answer> {
    let payload = serde_json::to_vec(&event.envelope()).expect("an envelope is JSON");
    connection
        .jetstream()
        .publish_with_headers(
            subject_of(event),
            headers_of(event, repeats),
            payload.into(),
        )
        .await
        .map_err(|error| of_publish_error(&error, connection))
}

/// `splitcart.<event type>.<aggregate id>`.
fn subject_of(event: &Event) -> String {
    format!(
        "{SUBJECT_PREFIX}.{}.{}",
        event.event_type, event.aggregate_id
    )
}

fn headers_of(event: &Event, repeats: Repeats) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // By this header the server leaves out what it has had within the window for duplicates, even if it was
    // purged since.
    if repeats == Repeats::LeftOut {
        headers.insert(header::NATS_MESSAGE_ID, event.id.to_string());
    }
    for (name, value) in cloud_events::headers(event, NATS_PREFIX) {
        headers.insert(name, value);
    }
    headers
}

#[async_trait(?Send)]
impl Sink for NatsJetStream {
    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        let outcome = self.send(events).await;
        // Whatever the reason is, the next attempt looks at the stream again: it may be gone.
        if takes_none(&outcome) {
            self.connection = None;
        }
        outcome.map_err(Failure::from)
    }

    async fn would_take_events(&mut self) -> Result<(), Answer> {
        let looked = async {
            let settings = self.settings.stream.clone();
            let connection = self.connect().await?;
            let looking = stream::look(connection.jetstream(), &settings);
            match tokio::time::timeout(CONNECT_MAX, looking).await {
                Ok(looked) => looked,
                Err(_) => Err((
                    Unavailable::NoAnswer,
                    format!("NATS did not answer within {CONNECT_MAX:?}"),
                )),
            }
        };
        let looked: Result<(), (Unavailable, String)> = looked.await;
        if looked.is_err() {
            self.connection = None;
        }
        looked.map_err(|(reason, text)| Answer::Unavailable(reason, text))
    }
}
