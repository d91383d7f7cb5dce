//! `[[outbox.sinks]]` of the kind `nats_jetstream`.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::super::{Error, off_or_time, sources, urls};

/// The shortest window that spans an attempt and the next one.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsJetStream {
    pub name: String,
    /// One URL, or several with commas between them.
    #[serde(default)]
    pub url: SecretString,
    #[serde(default)]
    pub url_file: PathBuf,
    #[serde(default = "default_stream")]
    pub stream: String,
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub password: SecretString,
    #[serde(default)]
    pub password_file: PathBuf,
    #[serde(default)]
    pub token: SecretString,
    #[serde(default)]
    pub token_file: PathBuf,
    /// A file of credentials, as `nsc` writes it: a JWT and the seed of its nkey.
    #[serde(default)]
    pub credentials_file: PathBuf,
    /// The content of `credentials_file`.
    #[serde(skip)]
    pub credentials: SecretString,
    #[serde(default)]
    pub ca_file: PathBuf,
    #[serde(default)]
    pub tls: bool,
    #[serde(default = "default_replicas")]
    pub replicas: usize,
    #[serde(default = "default_max_age")]
    max_age: String,
    #[serde(default)]
    pub max_bytes: u64,
    #[serde(default)]
    pub discard: Discard,
    #[serde(default = "default_duplicate_window")]
    duplicate_window: String,
}

/// The messages that a full stream does without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    #[default]
    Old,
    New,
}

fn default_stream() -> String {
    "splitcart".to_owned()
}

const fn default_replicas() -> usize {
    1
}

fn default_max_age() -> String {
    "7days".to_owned()
}

fn default_duplicate_window() -> String {
    "2min".to_owned()
}

impl NatsJetStream {
    /// The time for which the server keeps a message. Zero: for ever.
    pub fn max_age(&self) -> Duration {
        let read = off_or_time::read("max_age", &self.max_age, 3660, "7days");
        read.ok().flatten().unwrap_or_default()
    }

    /// The time within which the server recognises a message that it has already.
    pub fn duplicate_window(&self) -> Duration {
        humantime::parse_duration(&self.duplicate_window).unwrap_or_default()
    }

    /// Reads secrets that are given as files, and checks the settings.
    pub(super) fn complete(&mut self, key: &str) -> Result<(), Error> {
        for (name, value, file) in [
            ("url", &mut self.url, &self.url_file),
            ("password", &mut self.password, &self.password_file),
            ("token", &mut self.token, &self.token_file),
            ("credentials", &mut self.credentials, &self.credentials_file),
        ] {
            *value = sources::read_secret(&format!("{key}.{name}"), value, file)?;
        }
        urls::check_nats(&format!("{key}.url"), &self.url)?;
        self.check()
            .map_err(|problem| Error::Contradiction(format!("the sink {}: {problem}", self.name)))
    }

    fn check(&self) -> Result<(), String> {
        if self.url.expose_secret().is_empty() {
            return Err("it has no url".to_owned());
        }
        let is_named = !self.stream.is_empty()
            && self
                .stream
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if !is_named {
            return Err(format!(
                "stream is {:?}; it must be of letters, digits, _ and -",
                self.stream
            ));
        }
        let credentials = [
            !self.user.is_empty(),
            !self.token.expose_secret().is_empty(),
            !self.credentials.expose_secret().is_empty(),
        ];
        if credentials.iter().filter(|is_set| **is_set).count() > 1 {
            return Err("more than one of user, token and credentials_file is set".to_owned());
        }
        if self.user.is_empty() != self.password.expose_secret().is_empty() {
            return Err("user and password belong together".to_owned());
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(format!(
                "replicas is {}; it must be from 1 to 5",
                self.replicas
            ));
        }
        off_or_time::read("max_age", &self.max_age, 3660, "7days")?;
        let (max_age, window) = (self.max_age(), self.duplicate_window());
        if window < DUPLICATE_WINDOW_MIN || (!max_age.is_zero() && window > max_age) {
            return Err(format!(
                "duplicate_window is {:?}; it must be a time from \"10s\" to max_age, such as \"2min\"",
                self.duplicate_window
            ));
        }
        Ok(())
    }
}
