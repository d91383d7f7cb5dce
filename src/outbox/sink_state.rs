//! What is known of the broker, for the log, for metrics and for whoever asks whether we are well.

use tokio::sync::watch;

use crate::metrics::{Metrics, ReasonLabel};

use super::answers::Unavailable;

/// What is known of the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Why it took nothing when something was last to be published; none if it took it, or before
    /// anything was to be published.
    pub down_because: Option<String>,
    /// What its settings and its role may cost: one sentence each.
    pub concerns: Vec<String>,
}

/// Where it is told. Cloning shares it.
#[derive(Clone, Debug)]
pub struct SinkReport {
    state: watch::Sender<SinkState>,
    metrics: Metrics,
}

impl SinkReport {
    /// Begins with nothing known.
    pub fn new(metrics: Metrics) -> Self {
        metrics.outbox_sink_up.set(1);
        // A counter that appears with its first event hides it from every rate.
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

    /// For those who ask.
    pub fn subscribe(&self) -> watch::Receiver<SinkState> {
        self.state.subscribe()
    }

    /// The broker took something.
    pub fn is_up(&self) {
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

    /// It took nothing, and no event is to blame.
    pub fn is_down(&self, reason: Unavailable, text: &str) {
        self.metrics.outbox_sink_up.set(0);
        let reason = reason.name();
        self.metrics
            .outbox_sink_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
        let told = format!("{reason}: {text}");
        self.state.send_if_modified(|state| {
            let changed = state.down_because.as_ref() != Some(&told);
            if changed {
                tracing::warn!(
                    sink.reason = reason,
                    "the event stream takes nothing at present ({told}); events wait, and none is \
                     blamed"
                );
            }
            state.down_because = Some(told);
            changed
        });
    }

    /// What was found when it was looked at. Logged when it is new.
    pub fn has_concerns(&self, concerns: Vec<String>) {
        self.state.send_if_modified(|state| {
            for new in concerns.iter().filter(|it| !state.concerns.contains(it)) {
                tracing::warn!("the Redis of the event stream {new}");
            }
            let changed = state.concerns != concerns;
            state.concerns = concerns;
            changed
        });
    }
}
