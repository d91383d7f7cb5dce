//! `[[outbox.sinks]]` of the kind `kafka`.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::super::{Error, sources};

/// More are no use to the number of events that one database commits.
const PARTITIONS_MAX: i32 = 1_000;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    pub name: String,
    /// Addresses such as `kafka:9092`, of which one must answer.
    #[serde(default)]
    pub brokers: Vec<String>,
    #[serde(default = "default_topic")]
    pub topic: String,
    #[serde(default = "default_partitions")]
    pub partitions: i32,
    #[serde(default = "default_replication_factor")]
    pub replication_factor: i16,
    #[serde(default)]
    pub compression: Compression,
    #[serde(default)]
    pub tls: bool,
    #[serde(default)]
    pub ca_file: PathBuf,
    #[serde(default)]
    pub mechanism: Mechanism,
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub password: SecretString,
    #[serde(default)]
    pub password_file: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    None,
    Gzip,
    #[default]
    Snappy,
}

/// The way in which the user is identified (SASL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    #[default]
    None,
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

fn default_topic() -> String {
    "splitcart.events".to_owned()
}

const fn default_partitions() -> i32 {
    6
}

/// The brokers' own default.
const fn default_replication_factor() -> i16 {
    -1
}

impl Kafka {
    /// Reads the secret that is given as a file, and checks the settings.
    pub(super) fn complete(&mut self, key: &str) -> Result<(), Error> {
        let key = format!("{key}.password");
        self.password = sources::read_secret(&key, &self.password, &self.password_file)?;
        self.check()
            .map_err(|problem| Error::Contradiction(format!("the sink {}: {problem}", self.name)))
    }

    fn check(&self) -> Result<(), String> {
        if !cfg!(feature = "kafka") {
            return Err(
                "this program was built without Kafka: build it with `cargo build --release --features kafka`"
                    .to_owned(),
            );
        }
        let has_port = |broker: &String| broker.rsplit_once(':').is_some();
        if self.brokers.is_empty() || !self.brokers.iter().all(has_port) {
            return Err(
                "brokers must be a list of addresses with ports, such as [\"kafka:9092\"]"
                    .to_owned(),
            );
        }
        let is_named = (1..=249).contains(&self.topic.len())
            && self
                .topic
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !is_named {
            return Err(format!(
                "topic is {:?}; it must be of letters, digits, ., _ and -",
                self.topic
            ));
        }
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            return Err(format!(
                "partitions is {}; it must be from 1 to {PARTITIONS_MAX}",
                self.partitions
            ));
        }
        if self.replication_factor != -1 && self.replication_factor < 1 {
            return Err(
                "replication_factor must be -1 (the brokers' default), or 1 or more".to_owned(),
            );
        }
        let has_user = !self.user.is_empty() && !self.password.expose_secret().is_empty();
        if has_user != (self.mechanism != Mechanism::None) {
            return Err("user, password and mechanism belong together".to_owned());
        }
        if self.mechanism == Mechanism::Plain && !self.tls {
            return Err("the mechanism plain sends the password as it is: set tls, too".to_owned());
        }
        Ok(())
    }
}
