//! The settings of a sink, and its opening.

use std::time::Duration;

use sqlx::PgPool;

use crate::redis_client::Target;

#[cfg(feature = "kafka")]
use super::kafka::{Kafka, KafkaSettings};
use super::{
    Sink,
    log::Log,
    nats::{NatsJetStream, NatsSettings},
    redis_stream::RedisStream,
    webhook::{Repeats, Webhooks},
};

/// A sink that is to be served.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Unique; the key of its progress, and a label of metrics.
    pub name: String,
    pub kind: SinkKind,
}

/// The kind of a sink, with its settings.
#[derive(Clone, Debug)]
pub enum SinkKind {
    RedisStream(RedisStreamOptions),
    NatsJetStream(NatsSettings),
    #[cfg(feature = "kafka")]
    Kafka(KafkaSettings),
    Log,
    /// The endpoints of stores.
    Webhook,
}

#[derive(Clone, Debug)]
pub struct RedisStreamOptions {
    pub redis: Target,
    pub stream: String,
    /// 0: unbounded.
    pub len_max: usize,
    /// An event counts as published once the append-only file is on disk; the longest wait for that.
    pub wait_aof: Option<Duration>,
}

/// The treatment of a stream or topic that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    Make,
    Report,
}

impl SinkKind {
    /// As in the settings.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RedisStream(_) => "redis_stream",
            Self::NatsJetStream(_) => "nats_jetstream",
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => "kafka",
            Self::Log => "log",
            Self::Webhook => "webhook",
        }
    }
}

impl SinkOptions {
    /// The same sink, which makes no stream or topic where it finds none.
    #[must_use]
    pub fn without_making(mut self) -> Self {
        match &mut self.kind {
            SinkKind::NatsJetStream(settings) => settings.stream.if_missing = IfMissing::Report,
            #[cfg(feature = "kafka")]
            SinkKind::Kafka(settings) => settings.if_missing = IfMissing::Report,
            SinkKind::RedisStream(_) | SinkKind::Log | SinkKind::Webhook => {}
        }
        self
    }

    /// Opens the sink. It connects when it is first used. `pool` has a connection for it.
    pub fn open(&self, pool: &PgPool, repeats: Repeats) -> Box<dyn Sink> {
        match &self.kind {
            SinkKind::RedisStream(options) => Box::new(RedisStream::open(options)),
            SinkKind::NatsJetStream(settings) => {
                Box::new(NatsJetStream::new(settings.clone(), repeats))
            }
            #[cfg(feature = "kafka")]
            SinkKind::Kafka(settings) => Box::new(Kafka::new(settings.clone())),
            SinkKind::Log => Box::new(Log),
            SinkKind::Webhook => Box::new(Webhooks::new(pool.clone(), repeats)),
        }
    }
}
