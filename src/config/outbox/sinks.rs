//! `[[outbox.sinks]]`.

use std::{collections::BTreeSet, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    super::{Error, redis, sources},
    kafka::Kafka,
    nats::NatsJetStream,
};

/// The longest name of a sink.
const NAME_LEN_MAX: usize = 40;
/// The most sinks: each has a connection to PostgreSQL.
const SINKS_MAX: usize = 16;
/// A batch must be on disk before the lease of a follower ends.
const WAIT_AOF_MS_MAX: u64 = 2_000;

/// `[[outbox.sinks]]`: a sink of events, by its `kind`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sink {
    RedisStream(RedisStream),
    NatsJetstream(NatsJetStream),
    Kafka(Kafka),
    Log(Log),
    Webhook(Webhook),
}

/// A sink of the kind `redis_stream`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisStream {
    pub name: String,
    /// Empty: `outbox.redis_url`, or `redis.url`.
    #[serde(default)]
    pub url: SecretString,
    #[serde(default)]
    pub url_file: PathBuf,
    #[serde(default)]
    pub tls_ca_file: PathBuf,
    #[serde(default)]
    pub tls_cert_file: PathBuf,
    #[serde(default)]
    pub tls_key_file: PathBuf,
    #[serde(default)]
    pub sentinel_user: String,
    #[serde(default)]
    pub sentinel_password: SecretString,
    #[serde(default)]
    pub sentinel_password_file: PathBuf,
    /// `None`: `outbox.stream`.
    pub stream: Option<String>,
    /// `None`: `outbox.stream_len_max`.
    pub stream_len_max: Option<usize>,
    /// `None`: an event counts as published once Redis has it in memory.
    pub wait_aof_ms: Option<u64>,
}

/// A sink of the kind `log`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub name: String,
}

/// A sink of the kind `webhook`: the endpoints of stores.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub name: String,
}

impl RedisStream {
    /// Reads the secrets that are given as files, and checks the URL and what belongs to it.
    fn complete_access(&mut self, key: &str) -> Result<(), Error> {
        for (name, value, file) in [
            ("url", &mut self.url, &self.url_file),
            (
                "sentinel_password",
                &mut self.sentinel_password,
                &self.sentinel_password_file,
            ),
        ] {
            *value = sources::read_secret(&format!("{key}.{name}"), value, file)?;
        }
        redis::check_url(&format!("{key}.url"), &self.url)?;
        if self.url.expose_secret().is_empty() && self.has_access_of_its_own() {
            return Err(Error::Contradiction(format!(
                "the sink {} has settings of TLS or of Sentinels and no url: they go with a url of its own",
                self.name
            )));
        }
        let access = redis::Access {
            place: &format!("the sink {}", self.name),
            urls: &[&self.url],
            ca_file: &self.tls_ca_file,
            cert_file: &self.tls_cert_file,
            key_file: &self.tls_key_file,
            sentinel_user: &self.sentinel_user,
            sentinel_password: &self.sentinel_password,
        };
        access.check()
    }

    fn has_access_of_its_own(&self) -> bool {
        self.has_tls_files()
            || !self.sentinel_user.is_empty()
            || !self.sentinel_password.expose_secret().is_empty()
    }

    /// True if the sink has files of TLS of its own; else those of `[redis]` are used.
    pub fn has_tls_files(&self) -> bool {
        [&self.tls_ca_file, &self.tls_cert_file, &self.tls_key_file]
            .iter()
            .any(|file| !file.as_os_str().is_empty())
    }
}

impl Sink {
    /// The URL of Redis that only this sink has.
    pub(in crate::config) fn own_redis_url(&self) -> Option<&SecretString> {
        match self {
            Self::RedisStream(sink) if !sink.url.expose_secret().is_empty() => Some(&sink.url),
            _ => None,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::RedisStream(sink) => &sink.name,
            Self::NatsJetstream(sink) => &sink.name,
            Self::Kafka(sink) => &sink.name,
            Self::Log(sink) => &sink.name,
            Self::Webhook(sink) => &sink.name,
        }
    }

    /// Reads secrets that are given as files, and checks the form of URLs.
    fn complete(&mut self, key: &str) -> Result<(), Error> {
        match self {
            Self::RedisStream(sink) => {
                sink.complete_access(key)?;
                if sink.stream.as_deref() == Some("") {
                    return Err(Error::Contradiction(format!(
                        "the stream of the sink {} is empty",
                        sink.name
                    )));
                }
                if let Some(wait) = sink.wait_aof_ms
                    && !(1..=WAIT_AOF_MS_MAX).contains(&wait)
                {
                    return Err(Error::Contradiction(format!(
                        "wait_aof_ms of the sink {} is {wait}; it must be from 1 to {WAIT_AOF_MS_MAX}",
                        sink.name
                    )));
                }
            }
            Self::NatsJetstream(sink) => sink.complete(key)?,
            Self::Kafka(sink) => sink.complete(key)?,
            Self::Log(_) | Self::Webhook(_) => {}
        }
        Ok(())
    }
}

/// Completes all sinks, and refuses names that can't tell them apart.
pub(super) fn complete(sinks: &mut [Sink]) -> Result<(), Error> {
    if sinks.len() > SINKS_MAX {
        return Err(Error::Contradiction(format!(
            "there are {} [[outbox.sinks]]; there may be {SINKS_MAX}",
            sinks.len()
        )));
    }
    let webhooks = sinks.iter().filter(|sink| matches!(sink, Sink::Webhook(_)));
    if webhooks.count() > 1 {
        return Err(Error::Contradiction(
            "there is more than one of [[outbox.sinks]] of the kind webhook: one serves all endpoints".to_owned(),
        ));
    }
    let mut names = BTreeSet::new();
    for (index, sink) in sinks.iter_mut().enumerate() {
        let name = sink.name().to_owned();
        let is_named = !name.is_empty()
            && name.len() <= NAME_LEN_MAX
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
        if !is_named {
            return Err(Error::Contradiction(format!(
                "the name of outbox.sinks[{index}] is {name:?}; it must be 1 to {NAME_LEN_MAX} of a-z, 0-9, _ \
                 and -"
            )));
        }
        if !names.insert(name.clone()) {
            return Err(Error::Contradiction(format!(
                "two [[outbox.sinks]] are named {name:?}: a sink's progress is kept under its name, so each \
                 needs one of its own"
            )));
        }
        sink.complete(&format!("outbox.sinks[{index}]"))?;
    }
    Ok(())
}
