//! Starts what sends traces, if it is configured.

use std::time::Duration;

use crate::{
    config::Config,
    metrics::{Metrics, ReasonLabel},
    traces::{
        Traces,
        exporter::{Counters, Exporter},
        options::{Options, Settings, Unusable},
    },
};

use super::Error;

/// Traces, and what sends them.
#[derive(Debug)]
pub(super) struct Tracing {
    pub(super) traces: Traces,
    exporter: Exporter,
}

/// The options of traces; `None` where they are off.
///
/// # Errors
/// A setting or a variable can't be used.
pub fn options(config: &Config) -> Result<Option<Options>, Unusable> {
    let settings = Settings {
        endpoint: config.telemetry.endpoint().map(str::to_owned),
        share: config.telemetry.trace_ratio,
        slower_than: config.telemetry.slower_than(),
    };
    Options::read(&settings, |name| std::env::var(name).ok())
}

/// `None` where traces are off: then nothing is started.
pub(super) fn start(config: &Config, metrics: &Metrics) -> Result<Option<Tracing>, Error> {
    let Some(options) = options(config)? else {
        return Ok(None);
    };
    let dropped = |reason| {
        let label = ReasonLabel { reason };
        metrics.spans_dropped.get_or_create(&label).clone()
    };
    let counters = Counters {
        exported: metrics.spans_exported.clone(),
        dropped_queue_full: dropped("queue_full"),
        dropped_not_taken: dropped("not_taken"),
    };
    let (queue, exporter) = Exporter::start(&options, &counters)?;
    tracing::info!("traces are sent to {}", options.place());
    let traces = Traces::new(options.sampler, options.slower_than, queue);
    Ok(Some(Tracing { traces, exporter }))
}

impl Tracing {
    /// Sends the last spans, as far as that takes no longer than this.
    pub(super) async fn stop(self, within: Duration) {
        self.exporter.stop(within).await;
    }
}
