//! `[orders]`.

use std::time::Duration;

use serde::Deserialize;

use super::off_or_time;

/// `[orders]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    pub decide_within: DecideWithin,
    pub batch_max: usize,
    pub transactions_in_flight: usize,
    pub batch_min_in_parallel: usize,
    pub queue_max: usize,
}

/// `orders.decide_within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DecideWithin {
    /// No order expires.
    Off,
    Lasting(Duration),
}

impl TryFrom<String> for DecideWithin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = off_or_time::read("orders.decide_within", &text, 3660, "10days")?;
        Ok(time.map_or(Self::Off, Self::Lasting))
    }
}
