//! Publishes events to a topic of Apache Kafka: one record per event, keyed by its aggregate, its value the
//! envelope.
//!
//! An event is accepted when all in-sync replicas have it (`acks=all`). Without an idempotent producer,
//! which the library does not have, a batch that was not answered is written again: the same event twice,
//! by its id.

mod answers;
mod connection;
mod partition;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use rskafka::{client::error::Error, record::Record};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    db::outbox::Event,
    outbox::cloud_events::{self, KAFKA_PREFIX},
};

use super::{Answer, Failure, Sink, Unavailable, takes_none};

use self::{answers::reason_of, connection::Connection, partition::partition_of};

pub use self::connection::{Compression, KafkaSettings, Mechanism};

/// The time limit of publishing a batch.
const PUBLISH_MAX: Duration = Duration::from_secs(2);
/// The time limit of connecting, and of looking at the topic or making it.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// A topic of Apache Kafka.
#[derive(Debug)]
pub struct Kafka {
    settings: KafkaSettings,
    /// None before the first use, and after a failure: a request that was given up must not be sent later.
    connection: Option<Connection>,
}

impl Kafka {
    /// Connects when first used.
    pub fn new(settings: KafkaSettings) -> Self {
        Self {
            settings,
            connection: None,
        }
    }

    async fn connect(&mut self) -> Result<&Connection, (Unavailable, String)> {
        self.connection.take_if(|connection| connection.is_old());
        if self.connection.is_none() {
            let opening = Connection::open(&self.settings);
            let opened = timeout(CONNECT_MAX, opening).await;
            self.connection = Some(opened.unwrap_or_else(|_| {
                let text = format!("Kafka did not answer within {CONNECT_MAX:?}");
                Err((Unavailable::NoAnswer, text))
            })?);
        }
        Ok(self.connection.as_ref().expect("it was made above"))
    }

    async fn send(&mut self, events: &[&Event]) -> Result<Vec<Answer>, (Unavailable, String)> {
        let connection = self.connect().await?;
        let deadline = Instant::now() + PUBLISH_MAX;
        let mut by_partition: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            let partition = partition_of(key_of(event).as_bytes(), connection.partitions());
            by_partition.entry(partition).or_default().push(index);
        }
        let sent = by_partition.into_iter().map(async |(partition, indices)| {
            let events: Vec<_> = indices.iter().map(|&index| events[index]).collect();
            let answers = send_to(connection, partition, &events, deadline).await;
            indices.into_iter().zip(answers)
        });
        let mut answers: Vec<_> = join_all(sent).await.into_iter().flatten().collect();
        answers.sort_by_key(|(index, _)| *index);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

/// Sends the events of one partition. A batch that is refused as a whole is sent again one by one: one
/// event may be the reason.
async fn send_to(
    connection: &Connection,
    partition: usize,
    events: &[&Event],
    deadline: Instant,
) -> Vec<Answer> {
    let answer = produce(connection, partition, events, deadline).await;
    if events.len() == 1 || !matches!(answer, Answer::Refused(_)) {
        return vec![answer; events.len()];
    }
    let mut answers = Vec::with_capacity(events.len());
    for event in events {
        answers.push(produce(connection, partition, &[event], deadline).await);
    }
    answers
}

/// One request to the leader of a partition, which stores all of it or nothing.
async fn produce(
    connection: &Connection,
    partition: usize,
    events: &[&Event],
    deadline: Instant,
) -> Answer {
    let records = events.iter().map(|event| record_of(event)).collect();
    let producing = connection.produce(partition, records);
    match timeout_at(deadline, producing).await {
        Ok(Ok(())) => Answer::Accepted,
        Ok(Err(error)) => answer_of(&error),
        Err(_) => Answer::Unavailable(
            Unavailable::NoAnswer,
            format!("Kafka acknowledged nothing within {PUBLISH_MAX:?}"),
        ),
    }
}

fn answer_of(error: &Error) -> Answer {
    let text = format!("Kafka: {error}");
    match reason_of(error) {
        Some(reason) => Answer::Unavailable(reason, text),
        None => Answer::Refused(text),
    }
}

/// As text, so that consumers of other languages read it as people do.
fn key_of(event: &Event) -> String {
    event.aggregate_id.to_string()
}

fn record_of(event: &Event) -> Record {
    let envelope = serde_json::to_vec(&event.envelope()).expect("an envelope is JSON");
    let headers = cloud_events::headers(event, KAFKA_PREFIX);
    Record {
        key: Some(key_of(event).into_bytes()),
        value: Some(envelope),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes()))
            .collect(),
        timestamp: event.created_at,
    }
}

#[async_trait(?Send)]
impl Sink for Kafka {
    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        let outcome = self.send(events).await;
        if takes_none(&outcome) {
            self.connection = None;
        }
        outcome.map_err(Failure::from)
    }

    async fn would_take_events(&mut self) -> Result<(), Answer> {
        // A new connection finds the topic and asks for the leader of every partition.
        self.connection = None;
        match self.connect().await {
            Ok(_) => Ok(()),
            Err((reason, text)) => Err(Answer::Unavailable(reason, text)),
        }
    }
}
