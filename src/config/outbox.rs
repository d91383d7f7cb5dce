//! `[outbox]`.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::off_or_time;

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
}

impl Outbox {
    /// The Redis of the event stream: its own, or the one for everything.
    pub fn redis_url<'a>(&'a self, of_all: &'a SecretString) -> &'a SecretString {
        if self.redis_url.expose_secret().is_empty() {
            of_all
        } else {
            &self.redis_url
        }
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
