//! Consumers: each reads its broker, whatever happens to it, and keeps every event once in a table.

#[cfg(feature = "kafka")]
mod kafka;
mod nats;
mod redis;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use splitcart::db::pool;
use sqlx::PgConnection;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::db::events;

use super::{brokers::Broker, options::SinkName};

/// The pause after a look that found nothing, or a broker that does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// The most events read at once.
const BATCH: usize = 1_000;
/// The longest that a broker may take to answer a look.
const LOOK_MAX: Duration = Duration::from_secs(3);

/// A consumer that runs. Dropped, it ends.
pub struct Consumer {
    task: JoinHandle<()>,
    received: Arc<AtomicU64>,
}

impl Consumer {
    pub async fn start(broker: &Broker, database_url: &str) -> anyhow::Result<Self> {
        let received = Arc::new(AtomicU64::new(0));
        let table = Table {
            connection: pool::connect(&database_url.to_owned().into()).await?,
            name: broker.name.name(),
            received: Arc::clone(&received),
        };
        let (url, losses) = (broker.url.clone(), Arc::clone(&broker.losses));
        let task = match broker.name {
            SinkName::Redis => actix_rt::spawn(redis::consume(url, losses, table)),
            SinkName::Nats => actix_rt::spawn(nats::consume(url, losses, table)),
            #[cfg(feature = "kafka")]
            SinkName::Kafka => actix_rt::spawn(kafka::consume(url, losses, table)),
        };
        Ok(Self { task, received })
    }

    /// The number of events that arrived, the same one counted each time.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The part of an envelope that a consumer needs to keep an event once.
#[derive(Deserialize)]
struct Envelope {
    event_id: Uuid,
    aggregate_id: Uuid,
}

struct Table {
    connection: PgConnection,
    name: &'static str,
    received: Arc<AtomicU64>,
}

impl Table {
    /// Keeps what has arrived, in this order.
    async fn add<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> anyhow::Result<()> {
        let mut arrived = Vec::new();
        for payload in payloads {
            let envelope: Envelope = serde_json::from_slice(payload)?;
            arrived.push((envelope.event_id, envelope.aggregate_id));
        }
        if arrived.is_empty() {
            return Ok(());
        }
        self.received
            .fetch_add(arrived.len() as u64, Ordering::Relaxed);
        events::add(&mut self.connection, self.name, &arrived).await?;
        Ok(())
    }
}

/// Where a consumer is, unless the broker has lost everything since.
struct Position<T> {
    at: T,
    losses: Arc<AtomicU64>,
    known_losses: u64,
}

impl<T: Default> Position<T> {
    fn new(losses: Arc<AtomicU64>) -> Self {
        let known_losses = losses.load(Ordering::Relaxed);
        Self {
            at: T::default(),
            losses,
            known_losses,
        }
    }

    /// Begins anew after a loss.
    fn check(&mut self) {
        let losses = self.losses.load(Ordering::Relaxed);
        if losses != self.known_losses {
            self.known_losses = losses;
            self.at = T::default();
        }
    }
}
