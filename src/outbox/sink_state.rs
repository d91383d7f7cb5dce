//! The state of a sink, reported in the log, in metrics and in `/readyz`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::metrics::{Metrics, SinkFailureLabel, SinkLabel};

use super::sink::Unavailable;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// The reason for which the last publication failed; `None` if it succeeded, or if there was none yet.
    pub down_because: Option<String>,
    /// The kind of that reason, and the time from which on the sink has taken nothing.
    pub down_since: Option<(Unavailable, DateTime<Utc>)>,
    /// Risks of the sink's settings and role, one sentence each.
    pub concerns: Vec<String>,
}

/// The place where the relay and the check report the state. Clones share it.
#[derive(Clone, Debug)]
pub struct SinkReport {
    sink: Arc<str>,
    state: watch::Sender<SinkState>,
    metrics: Metrics,
}

impl SinkReport {
    /// Starts with a sink that is taken to be up.
    pub fn new(sink: &str, metrics: Metrics) -> Self {
        let label = SinkLabel::of(sink);
        metrics.outbox_sink_up.get_or_create(&label).set(1);
        // A counter that appears with its first event hides that event from every rate.
        for counter in [
            &metrics.outbox_published,
            &metrics.outbox_refused,
            &metrics.outbox_buried,
        ] {
            drop(counter.get_or_create(&label));
        }
        for reason in Unavailable::ALL {
            let label = SinkFailureLabel::of(sink, reason.name());
            drop(metrics.outbox_sink_failures.get_or_create(&label));
        }
        Self {
            sink: sink.into(),
            state: watch::Sender::default(),
            metrics,
        }
    }

    /// The name of the sink.
    pub fn sink(&self) -> &str {
        &self.sink
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn set_up(&self, up: i64) {
        let label = SinkLabel::of(&self.sink);
        self.metrics.outbox_sink_up.get_or_create(&label).set(up);
    }

    /// Reports that the sink took an event.
    pub fn report_up(&self) {
        self.set_up(1);
        let was_down = self.state.send_if_modified(|state| {
            let was_down = state.down_because.is_some();
            state.down_because = None;
            state.down_since = None;
            was_down
        });
        if was_down {
            let sink = &*self.sink;
            tracing::info!(sink, "the sink {sink} takes events again");
        }
    }

    /// Reports that the sink took nothing, and that no event is to blame.
    pub fn report_down(&self, reason: Unavailable, text: &str) {
        self.set_up(0);
        let (sink, kind, reason) = (&*self.sink, reason, reason.name());
        let label = SinkFailureLabel::of(sink, reason);
        self.metrics
            .outbox_sink_failures
            .get_or_create(&label)
            .inc();
        let cause = format!("{reason}: {text}");
        self.state.send_if_modified(|state| {
            let changed = state.down_because.as_ref() != Some(&cause);
            if changed {
                tracing::warn!(
                    sink,
                    sink.reason = reason,
                    "the sink {sink} takes no events at present ({cause}); they wait, and no attempt is \
                     counted against them"
                );
            }
            state.down_because = Some(cause);
            let since = state.down_since.map_or_else(Utc::now, |(_, since)| since);
            state.down_since = Some((kind, since));
            changed
        });
    }

    /// Reports what a check of the sink's settings found. Logs only concerns that are new.
    pub fn report_concerns(&self, concerns: Vec<String>) {
        self.state.send_if_modified(|state| {
            for new in concerns.iter().filter(|new| !state.concerns.contains(new)) {
                let sink = &*self.sink;
                tracing::warn!(sink, "the server of the sink {sink} {new}");
            }
            let changed = state.concerns != concerns;
            state.concerns = concerns;
            changed
        });
    }
}

/// The states of all sinks, for `/readyz`.
#[derive(Clone, Debug, Default)]
pub struct SinkStates(Vec<(Arc<str>, watch::Receiver<SinkState>)>);

impl SinkStates {
    pub(super) fn add(&mut self, report: &SinkReport) {
        self.0
            .push((Arc::clone(&report.sink), report.state.subscribe()));
    }

    /// The names of the sinks and their present states.
    pub fn present(&self) -> impl Iterator<Item = (&str, SinkState)> {
        let states = self.0.iter();
        states.map(|(sink, state)| (&**sink, state.borrow().clone()))
    }
}
