//! `rate_limit` and `[limits]`: the most requests per address and per user.

use std::num::NonZeroU32;

use serde::Deserialize;

/// `rate_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RateLimit {
    On,
    Off,
}

impl TryFrom<String> for RateLimit {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err("rate_limit must be \"on\" or \"off\""),
        }
    }
}

/// `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub address_per_s: NonZeroU32,
    pub address_burst: NonZeroU32,
    pub user_per_s: NonZeroU32,
    pub user_burst: NonZeroU32,
    pub refused_tokens_per_s: NonZeroU32,
    pub refused_tokens_burst: NonZeroU32,
    pub code_guesses_per_minute: NonZeroU32,
    pub code_guesses_burst: NonZeroU32,
    pub address_connections: NonZeroU32,
}
