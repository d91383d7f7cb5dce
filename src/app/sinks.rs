//! Turns the settings of sinks into their options.

use std::time::Duration;

#[cfg(feature = "kafka")]
use crate::outbox::sink::kafka::{Compression, KafkaSettings, Mechanism};
use crate::{
    config::{self, Discard, NatsJetStream, Sink},
    outbox::sink::{
        nats::{NatsSettings, SignIn, StreamSettings},
        options::{IfMissing, RedisStreamOptions, SinkKind},
    },
    redis_client::Target,
};

/// The kind of a sink with its settings. `targets` are those of the sinks in Redis, in their order.
pub(super) fn kind_of<'a>(
    settings: &config::Outbox,
    sink: &Sink,
    targets: &mut impl Iterator<Item = &'a Target>,
) -> SinkKind {
    match sink {
        Sink::RedisStream(it) => SinkKind::RedisStream(RedisStreamOptions {
            redis: targets
                .next()
                .expect("each sink in Redis has a target")
                .clone(),
            stream: it.stream.as_ref().unwrap_or(&settings.stream).clone(),
            len_max: it.stream_len_max.unwrap_or(settings.stream_len_max),
            wait_aof: it.wait_aof_ms.map(Duration::from_millis),
        }),
        Sink::NatsJetstream(it) => SinkKind::NatsJetStream(nats(it)),
        #[cfg(feature = "kafka")]
        Sink::Kafka(it) => SinkKind::Kafka(kafka(it)),
        #[cfg(not(feature = "kafka"))]
        Sink::Kafka(_) => unreachable!("the configuration refuses what was not built in"),
        Sink::Log(_) => SinkKind::Log,
        Sink::Webhook(_) => SinkKind::Webhook,
    }
}

fn nats(it: &NatsJetStream) -> NatsSettings {
    NatsSettings {
        sign_in: SignIn {
            url: it.url.clone(),
            user: it.user.clone(),
            password: it.password.clone(),
            token: it.token.clone(),
            credentials: it.credentials.clone(),
            ca_file: it.ca_file.clone(),
            requires_tls: it.tls,
        },
        stream: StreamSettings {
            name: it.stream.clone(),
            if_missing: IfMissing::Make,
            replicas: it.replicas,
            max_age: it.max_age(),
            max_bytes: it.max_bytes,
            refuses_when_full: it.discard == Discard::New,
            duplicate_window: it.duplicate_window(),
        },
    }
}

#[cfg(feature = "kafka")]
fn kafka(it: &config::Kafka) -> KafkaSettings {
    KafkaSettings {
        brokers: it.brokers.clone(),
        topic: it.topic.clone(),
        if_missing: IfMissing::Make,
        partitions: it.partitions,
        replication_factor: it.replication_factor,
        compression: match it.compression {
            config::Compression::None => Compression::None,
            config::Compression::Gzip => Compression::Gzip,
            config::Compression::Snappy => Compression::Snappy,
        },
        is_tls: it.tls,
        ca_file: it.ca_file.clone(),
        mechanism: match it.mechanism {
            config::Mechanism::None => Mechanism::None,
            config::Mechanism::Plain => Mechanism::Plain,
            config::Mechanism::ScramSha256 => Mechanism::ScramSha256,
            config::Mechanism::ScramSha512 => Mechanism::ScramSha512,
        },
        user: it.user.clone(),
        password: it.password.clone(),
    }
}
