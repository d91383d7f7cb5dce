//! `[live]`.

use serde::Deserialize;

/// `[live]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    pub streams_max: usize,
    pub user_streams_max: usize,
    pub heartbeat_s: u64,
}
