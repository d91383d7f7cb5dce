//! `[inventory]`.

use serde::Deserialize;

/// `[inventory]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    pub transactions_in_flight: usize,
    pub queue_max: usize,
}
