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
    sinks::{RedisStream, Sink, Webhook},
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
    pub webhooks_to_private_addresses: bool,
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
                tls_ca_file: PathBuf::new(),
                tls_cert_file: PathBuf::new(),
                tls_key_file: PathBuf::new(),
                sentinel_user: String::new(),
                sentinel_password: SecretString::default(),
                sentinel_password_file: PathBuf::new(),
                stream: None,
                stream_len_max: None,
                wait_aof_ms: None,
            })];
        }
        sinks::complete(&mut self.sinks)
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
