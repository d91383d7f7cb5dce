//! The desk: admission, and a bounded queue in front of the coordinator. Callers see a [`Desk`], never the
//! actor's address.
//!
//! `coordinator` is the other half: it takes the commands out of the queue and answers them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr};
use prometheus_client::metrics::gauge::Gauge;
use rand::RngExt;
use tokio::sync::{oneshot, watch};

use crate::{
    metrics::{RefusedBecause, RefusedLabel},
    request_id,
};

use super::{
    Answer, Limits, Member, Undecided, Work,
    coordinator::{Coordinator, Waiting},
    pace::Pace,
    progress::Progress,
};

/// The shortest and the longest time after which a refused caller is asked to come back.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(2);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);

/// The time after which a refused caller should come back, in whole seconds: as long as the commands in
/// front of it will take, spread by half of that in either direction. A crowd that was refused at one
/// moment does not come back at one.
pub fn retry_after(in_front: Duration) -> Duration {
    let wait_s = in_front.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX).as_secs();
    let spread = wait_s / 2..=wait_s + wait_s / 2;
    Duration::from_secs(rand::rng().random_range(spread))
}

/// A place in the queue: counted while it exists.
#[derive(Debug)]
pub(super) struct QueuePlace {
    taken: Arc<AtomicUsize>,
    depth: Gauge,
}

impl QueuePlace {
    fn take(taken: &Arc<AtomicUsize>, places: usize, depth: &Gauge) -> Option<Self> {
        let one_more = |count| (count < places).then_some(count + 1);
        taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        depth.inc();
        Some(Self {
            taken: Arc::clone(taken),
            depth: depth.clone(),
        })
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
        self.depth.dec();
    }
}

/// The desk. Clones share it; it can be used from any thread.
#[derive(Debug)]
pub struct Desk<W: Work> {
    address: Addr<Coordinator<W>>,
    limits: Limits,
    taken: Arc<AtomicUsize>,
    draining: Arc<AtomicBool>,
    unanswered: Arc<watch::Sender<usize>>,
    pace: Arc<Pace>,
    progress: Progress,
    work: Arc<W>,
}

impl<W: Work> Clone for Desk<W> {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            limits: self.limits,
            taken: Arc::clone(&self.taken),
            draining: Arc::clone(&self.draining),
            unanswered: Arc::clone(&self.unanswered),
            pace: Arc::clone(&self.pace),
            progress: self.progress.clone(),
            work: Arc::clone(&self.work),
        }
    }
}

impl<W: Work> Desk<W> {
    /// Starts a coordinator on the current arbiter.
    pub fn open(work: W, limits: Limits) -> Self {
        let (work, pace) = (Arc::new(work), Arc::new(Pace::default()));
        let progress = Progress::begin();
        let coordinator = Coordinator::new(
            Arc::clone(&work),
            limits,
            Arc::clone(&pace),
            progress.clone(),
        );
        Self {
            address: coordinator.start(),
            limits,
            taken: Arc::default(),
            draining: Arc::default(),
            unanswered: Arc::new(watch::Sender::new(0)),
            pace,
            progress,
            work,
        }
    }

    /// The time for which no batch has ended although callers wait for answers. `None` while no caller
    /// waits.
    pub fn stalled_for(&self) -> Option<Duration> {
        (*self.unanswered.borrow() > 0).then(|| self.progress.none_for())
    }

    /// Checks that there is room for one more command, as [`submit`](Self::submit) does: load shedding for
    /// callers that have something costly to do before they submit.
    ///
    /// # Errors
    /// `Overloaded`; nothing was done.
    pub fn check_room(&self) -> Result<(), Undecided> {
        if self.draining.load(Ordering::Acquire) {
            return Err(self.refuse(RefusedBecause::Draining));
        }
        let waiting = self.taken.load(Ordering::Acquire);
        if waiting >= self.limits.queue_max {
            return Err(self.refuse(RefusedBecause::QueueFull));
        }
        // A quarter is left for what the forecast can't know: a command that is let in should not be
        // refused after having waited.
        if self.pace.forecast(waiting, &self.limits) > self.limits.queue_wait_max * 3 / 4 {
            return Err(self.refuse(RefusedBecause::WouldWaitTooLong));
        }
        Ok(())
    }

    /// Hands a command in and waits for the answer.
    ///
    /// # Errors
    /// The database could not decide; see [`Undecided`].
    pub async fn submit(&self, command: W::Command) -> Answer<W> {
        self.check_room()?;
        let depth = &self.work.meters().depth;
        let Some(place) = QueuePlace::take(&self.taken, self.limits.queue_max, depth) else {
            return Err(self.refuse(RefusedBecause::QueueFull));
        };
        let (reply, answer) = oneshot::channel();
        if *self.unanswered.borrow() == 0 {
            self.progress.mark();
        }
        let waiting = Waiting {
            member: Member::new(command, reply, &self.unanswered),
            place: Some(place),
        };
        if self.address.try_send(waiting).is_err() {
            return Err(self.refuse(RefusedBecause::QueueFull));
        }
        match tokio::time::timeout(self.limits.answer_wait_max, answer).await {
            Ok(Ok(answer)) => answer,
            // The batch died before it has answered (a panic, logged there). A retry with the same key
            // finds what it had committed.
            Ok(Err(_)) => {
                tracing::error!(
                    http.request_id = request_id::current().as_deref(),
                    "the batch of this request died"
                );
                Err(Undecided::Failed)
            }
            Err(_) => Err(Undecided::Unavailable),
        }
    }

    /// True if the coordinator is gone: no command will ever be carried out.
    pub fn has_ended(&self) -> bool {
        !self.address.connected()
    }

    /// Refuses new commands from now on. Commands in the queue are still carried out.
    pub fn close(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Resolves when nothing is queued or running any more. Call [`close`](Self::close) first.
    pub async fn drained(&self) {
        let mut unanswered = self.unanswered.subscribe();
        // An error means that the sender is gone, and `self` keeps it alive.
        drop(unanswered.wait_for(|count| *count == 0).await);
    }

    fn refuse(&self, reason: RefusedBecause) -> Undecided {
        let label = RefusedLabel { reason };
        self.work.meters().rejected.get_or_create(&label).inc();
        let waiting = self.taken.load(Ordering::Acquire);
        let overloaded = Undecided::Overloaded {
            retry_after: retry_after(self.pace.forecast(waiting, &self.limits)),
        };
        self.work.count(&Err(overloaded.clone()));
        overloaded
    }
}
