//! `[outbox]`.

mod kafka;
mod nats;
mod sinks;

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{Error, off_or_time};

pub use self::{
    kafka::{Compression, Kafka, Mechanism},
    nats::{Discard, NatsJetStream},
    sinks::{RedisStream, Sink},
};

/// The name of the only sink where none is configured.
const DEFAULT_SINK: &str = "stream";

/// `[outbox]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    pub redis_url: SecretString,
    pub redis_url_file: PathBuf,
    pub stream: String,
    pub stream_len_max: usize,
    pub poll_ms: u64,
    pub claim_max: i64,
    pub claim_lease_s: u64,
    pub attempts_max: i32,
    pub retention: Retention,
    /// Empty until [`Outbox::complete_sinks`] if none is configured.
    pub sinks: Vec<Sink>,
}

impl Outbox {
    /// Checks the sinks, and reads their secrets. Where none is configured, there is a stream in Redis.
    pub(super) fn complete_sinks(&mut self) -> Result<(), Error> {
        if self.sinks.is_empty() {
            self.sinks = vec![Sink::RedisStream(RedisStream {
                name: DEFAULT_SINK.to_owned(),
                url: SecretString::default(),
                url_file: PathBuf::new(),
                stream: None,
                stream_len_max: None,
                wait_aof_ms: None,
            })];
        }
        sinks::complete(&mut self.sinks)
    }

    /// The URL of a sink in Redis: its own, that of the outbox, or that of everything.
    pub fn redis_url<'a>(
        &'a self,
        sink: &'a RedisStream,
        of_all: &'a SecretString,
    ) -> &'a SecretString {
        sinks::redis_url(&sink.url, &self.redis_url, of_all)
    }

    /// The URLs of all sinks in Redis.
    pub fn redis_urls(&self, of_all: &SecretString) -> Vec<SecretString> {
        let urls = self.sinks.iter().filter_map(|sink| match sink {
            Sink::RedisStream(sink) => Some(self.redis_url(sink, of_all).clone()),
            _ => None,
        });
        urls.collect()
    }
}

/// `outbox.retention`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Retention {
    Off,
    Lasting(Duration),
}

impl TryFrom<String> for Retention {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = off_or_time::read("outbox.retention", &text, 3660, "7days")?;
        Ok(time.map_or(Self::Off, Self::Lasting))
    }
}
