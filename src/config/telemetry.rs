//! `[telemetry]`.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// A URL may contain a secret.
    pub otlp_endpoint: SecretString,
    pub trace_ratio: f64,
    pub trace_slower_than_ms: u64,
}

impl Telemetry {
    /// The collector, if one is set.
    pub fn endpoint(&self) -> Option<&str> {
        let endpoint = self.otlp_endpoint.expose_secret();
        (!endpoint.is_empty()).then_some(endpoint)
    }

    /// The time beyond which a request is kept as a trace; `None` for no such time.
    pub fn slower_than(&self) -> Option<Duration> {
        let limit = Duration::from_millis(self.trace_slower_than_ms);
        (!limit.is_zero()).then_some(limit)
    }
}
