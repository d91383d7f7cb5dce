//! The thread that sends spans to the collector. Nobody waits for it: what does not fit into its queue, and
//! what the collector does not take, is dropped and counted.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::{error::OTelSdkError, trace::SpanExporter};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    client::{self, NoClient},
    options::Options,
};

/// The counters of spans.
#[derive(Clone, Debug)]
pub struct Counters {
    pub exported: Counter,
    pub dropped_queue_full: Counter,
    pub dropped_not_taken: Counter,
}

/// The way to the exporter. Clones share it.
#[derive(Clone, Debug)]
pub struct Queue {
    // Unbounded, as the number of spans in it is bounded by `waiting`.
    sender: mpsc::UnboundedSender<Vec<SpanData>>,
    waiting: Arc<AtomicUsize>,
    most: usize,
    counters: Counters,
}

/// The running exporter.
#[derive(Debug)]
pub struct Exporter {
    stop: oneshot::Sender<Instant>,
    ended: oneshot::Receiver<()>,
}

impl Queue {
    /// True if so many spans may be sent now.
    pub(super) fn has_room(&self, spans: usize) -> bool {
        self.waiting.load(Ordering::Relaxed) + spans <= self.most
    }

    /// Sends spans, unless there is no room for them.
    pub(super) fn send(&self, spans: Vec<SpanData>) {
        let count = spans.len();
        let more = |waiting: usize| waiting.checked_add(count).filter(|it| *it <= self.most);
        let added = self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, more);
        // The exporter is gone only while the service stops.
        if added.is_err() || self.sender.send(spans).is_err() {
            self.drop_spans(count);
        }
    }

    /// Counts spans that were not made, as there is no room for them.
    pub(super) fn drop_spans(&self, count: usize) {
        self.counters.dropped_queue_full.inc_by(count as u64);
    }
}

impl Exporter {
    /// Starts the thread. Nothing is connected before the first spans are sent.
    ///
    /// # Errors
    /// The client can't be made: a variable of TLS, or of the headers, can't be used.
    pub fn start(options: &Options, counters: &Counters) -> Result<(Queue, Self), NoClient> {
        let spans = client::exporter(options)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let (stop, stops) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let sending = Sending {
            spans,
            receiver,
            waiting: Arc::clone(&waiting),
            counters: counters.clone(),
            options: options.clone(),
            is_away: false,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || {
                runtime.block_on(sending.run(stops));
                ends.send(()).ok();
            })?;
        let queue = Queue {
            sender,
            waiting,
            most: options.queue_max,
            counters: counters.clone(),
        };
        Ok((queue, Self { stop, ended }))
    }

    /// Sends what waits, as far as that takes no longer than this.
    pub async fn stop(self, within: Duration) {
        let give_up = Instant::now() + within;
        if self.stop.send(give_up).is_ok() && timeout_at(give_up, self.ended).await.is_err() {
            tracing::warn!("the last spans could not be sent in time");
        }
    }
}

struct Sending<E> {
    spans: E,
    receiver: mpsc::UnboundedReceiver<Vec<SpanData>>,
    waiting: Arc<AtomicUsize>,
    counters: Counters,
    options: Options,
    is_away: bool,
}

impl<E: SpanExporter> Sending<E> {
    async fn run(mut self, mut stops: oneshot::Receiver<Instant>) {
        let (give_up, unsent) = loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                // What was gathered until now is in the batch.
                give_up = &mut stops => break (give_up, batch),
                () = fill(&mut self.receiver, &mut batch, &self.options) => {}
            }
            let limit = Instant::now() + self.options.post_max;
            let mut post = pin!(self.post(batch, limit));
            let give_up = tokio::select! {
                () = &mut post => continue,
                give_up = &mut stops => give_up,
            };
            if let Ok(give_up) = give_up {
                drop(timeout_at(give_up, post).await);
            }
            break (give_up, Vec::new());
        };
        // Without a time the service has ended by a panic, and nobody waits.
        if let Ok(give_up) = give_up {
            self.finish(unsent, give_up).await;
        }
    }

    /// Sends these spans, and those that wait, until it is time to give up.
    async fn finish(&mut self, mut batch: Vec<SpanData>, give_up: Instant) {
        loop {
            while batch.len() < self.options.batch_max
                && let Ok(spans) = self.receiver.try_recv()
            {
                batch.extend(spans);
            }
            if batch.is_empty() || Instant::now() >= give_up {
                return;
            }
            self.post(std::mem::take(&mut batch), give_up).await;
        }
    }

    async fn post(&mut self, batch: Vec<SpanData>, limit: Instant) {
        let count = batch.len();
        let posted = timeout_at(limit, self.spans.export(batch)).await;
        self.waiting.fetch_sub(count, Ordering::AcqRel);
        match posted.unwrap_or(Err(OTelSdkError::Timeout(self.options.post_max))) {
            Ok(()) => {
                self.counters.exported.inc_by(count as u64);
                if std::mem::replace(&mut self.is_away, false) {
                    tracing::info!("the collector of traces takes spans again");
                }
            }
            Err(error) => {
                self.counters.dropped_not_taken.inc_by(count as u64);
                if !std::mem::replace(&mut self.is_away, true) {
                    let place = self.options.place();
                    tracing::warn!(
                        "the collector of traces at {place} takes no spans: {error}; spans are dropped and \
                         counted until it does"
                    );
                }
            }
        }
    }
}

/// Waits for spans, and then for more of them, until there are enough or the first have waited long enough.
async fn fill(
    receiver: &mut mpsc::UnboundedReceiver<Vec<SpanData>>,
    batch: &mut Vec<SpanData>,
    options: &Options,
) {
    match receiver.recv().await {
        Some(spans) => batch.extend(spans),
        // Nobody is left to send any.
        None => return std::future::pending().await,
    }
    let limit = Instant::now() + options.delay;
    while batch.len() < options.batch_max {
        match timeout_at(limit, receiver.recv()).await {
            Ok(Some(spans)) => batch.extend(spans),
            Ok(None) | Err(_) => return,
        }
    }
}
