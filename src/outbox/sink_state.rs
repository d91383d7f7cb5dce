//! The state of the broker, reported in the log, in metrics and in `/readyz`.

use tokio::sync::watch;

use crate::metrics::{Metrics, ReasonLabel};

use super::broker_errors::Unavailable;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// The reason for which the last publication failed; `None` if it succeeded, or if there was none yet.
    pub down_because: Option<String>,
    /// Risks of the broker's settings and role, one sentence each.
    pub concerns: Vec<String>,
}

/// The place where the relay and the check report the state. Clones share it.
#[derive(Clone, Debug)]
pub struct SinkReport {
    state: watch::Sender<SinkState>,
    metrics: Metrics,
}

impl SinkReport {
    /// Starts with a broker that is taken to be up.
    pub fn new(metrics: Metrics) -> Self {
        metrics.outbox_sink_up.set(1);
        // A counter that appears with its first event hides that event from every rate.
        for reason in Unavailable::ALL.map(Unavailable::name) {
            drop(
                metrics
                    .outbox_sink_failures
                    .get_or_create(&ReasonLabel { reason }),
            );
        }
        Self {
            state: watch::Sender::default(),
            metrics,
        }
    }

    pub fn subscribe(&self) -> watch::Receiver<SinkState> {
        self.state.subscribe()
    }

    /// Reports that the broker took an event.
    pub fn report_up(&self) {
        self.metrics.outbox_sink_up.set(1);
        let was_down = self.state.send_if_modified(|state| {
            let was_down = state.down_because.is_some();
            state.down_because = None;
            was_down
        });
        if was_down {
            tracing::info!("the event stream takes events again");
        }
    }

    /// Reports that the broker took nothing, and that no event is to blame.
    pub fn report_down(&self, reason: Unavailable, text: &str) {
        self.metrics.outbox_sink_up.set(0);
        let reason = reason.name();
        self.metrics
            .outbox_sink_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
        let cause = format!("{reason}: {text}");
        self.state.send_if_modified(|state| {
            let changed = state.down_because.as_ref() != Some(&cause);
            if changed {
                tracing::warn!(
                    sink.reason = reason,
                    "the event stream takes no events at present ({cause}); they wait, and no attempt is \
                     counted against them"
                );
            }
            state.down_because = Some(cause);
            changed
        });
    }

    /// Reports what a check of the broker's settings found. Logs only concerns that are new.
    pub fn report_concerns(&self, concerns: Vec<String>) {
        self.state.send_if_modified(|state| {
            for new in concerns.iter().filter(|new| !state.concerns.contains(new)) {
                tracing::warn!("the Redis of the event stream {new}");
            }
            let changed = state.concerns != concerns;
            state.concerns = concerns;
            changed
        });
    }
}
