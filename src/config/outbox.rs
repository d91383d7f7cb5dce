//! `[outbox]`.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

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
        const MAX: Duration = Duration::from_hours(10 * 366 * 24);
        if text == "off" {
            return Ok(Self::Off);
        }
        match humantime::parse_duration(&text) {
            Ok(time) if (Duration::from_secs(1)..=MAX).contains(&time) => Ok(Self::Lasting(time)),
            _ => Err(format!(
                "outbox.retention is {text:?}; it must be \"off\" or a time from \"1s\" to \
                 \"3660days\", such as \"7days\""
            )),
        }
    }
}
