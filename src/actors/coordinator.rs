//! The checkout coordinator: a bounded queue in front of a few transaction slots.
//!
//! Whenever a slot is free it takes all that waits, up to `batch_max`, as one batch. There is no
//! timer: an idle coordinator adds no latency, a busy one makes larger batches.
//!
//! Callers see a [`CheckoutDesk`], never the actor's address.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{oneshot, watch};

use crate::metrics::{Metrics, RefusedBecause, RefusedLabel};

use super::{
    checkout_batch::{self, BatchContext, Member},
    command::{Answer, CheckoutCommand, Lane, Undecided},
    take_batch::take_batch,
};

/// When a refused caller may well try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The coordinator's limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most checkouts in one transaction.
    pub batch_max: usize,
    /// How many transactions run at a time.
    pub transactions_in_flight: usize,
    /// How many checkouts must wait before another transaction is started beside a running one.
    pub batch_min_in_parallel: usize,
    /// How many checkouts may wait.
    pub queue_max: usize,
    /// How long one may wait.
    pub queue_wait_max: Duration,
    /// How long a caller waits in all before it is told that the outcome is unknown.
    pub answer_wait_max: Duration,
}

/// A checkout in the queue.
#[derive(Debug)]
struct Waiting {
    member: Member,
    queued_at: Instant,
    #[expect(dead_code, reason = "dropping it gives the place to somebody else")]
    place: QueuePlace,
}

impl Message for Waiting {
    type Result = ();
}

/// A place in the queue: counted while it exists.
#[derive(Debug)]
struct QueuePlace {
    taken: Arc<AtomicUsize>,
    depth: Gauge,
}

impl QueuePlace {
    fn take(taken: &Arc<AtomicUsize>, places: usize, metrics: &Metrics) -> Option<Self> {
        let one_more = |count| (count < places).then_some(count + 1);
        taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        metrics.coordinator_mailbox_depth.inc();
        Some(Self {
            taken: Arc::clone(taken),
            depth: metrics.coordinator_mailbox_depth.clone(),
        })
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
        self.depth.dec();
    }
}

/// Where checkouts are handed in. Cloning shares it; it may be used from any thread.
#[derive(Clone, Debug)]
pub struct CheckoutDesk {
    address: Addr<Coordinator>,
    limits: Limits,
    taken: Arc<AtomicUsize>,
    draining: Arc<AtomicBool>,
    unanswered: Arc<watch::Sender<usize>>,
    metrics: Metrics,
}

impl CheckoutDesk {
    /// Starts a coordinator on the current arbiter.
    pub fn open(context: BatchContext, limits: Limits) -> Self {
        let metrics = context.metrics.clone();
        let coordinator = Coordinator {
            context: Arc::new(context),
            limits,
            queue: VecDeque::new(),
            busy: HashSet::new(),
            free_slots: limits.transactions_in_flight,
        };
        Self {
            address: coordinator.start(),
            limits,
            taken: Arc::default(),
            draining: Arc::default(),
            unanswered: Arc::new(watch::Sender::new(0)),
            metrics,
        }
    }

    /// Hands a checkout in and waits for the answer.
    ///
    /// # Errors
    /// The database could not decide; see [`Undecided`].
    pub async fn submit(&self, command: CheckoutCommand) -> Answer {
        if self.draining.load(Ordering::Acquire) {
            return Err(self.refuse(RefusedBecause::Draining));
        }
        let Some(place) = QueuePlace::take(&self.taken, self.limits.queue_max, &self.metrics)
        else {
            return Err(self.refuse(RefusedBecause::QueueFull));
        };
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            member: Member::new(command, reply, &self.unanswered),
            queued_at: Instant::now(),
            place,
        };
        if self.address.try_send(waiting).is_err() {
            return Err(self.refuse(RefusedBecause::QueueFull));
        }
        match tokio::time::timeout(self.limits.answer_wait_max, answer).await {
            Ok(Ok(answer)) => answer,
            // The batch died with our reply in its hands (a panic, logged there). What it had
            // committed is found by a retry with the same key.
            Ok(Err(_)) => Err(Undecided::Failed),
            Err(_) => Err(Undecided::Unavailable),
        }
    }

    /// Refuses new checkouts from now on; what is queued is still carried out.
    pub fn close(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Resolves when nothing is queued or running any more. Call [`close`](Self::close) first.
    pub async fn drained(&self) {
        let mut unanswered = self.unanswered.subscribe();
        // An error means that the sender is gone, and it lives in `self`.
        drop(unanswered.wait_for(|count| *count == 0).await);
    }

    fn refuse(&self, reason: RefusedBecause) -> Undecided {
        self.metrics
            .coordinator_rejected
            .get_or_create(&RefusedLabel { reason })
            .inc();
        Metrics::count(&self.metrics.checkouts, "overloaded");
        Undecided::Overloaded {
            retry_after: RETRY_AFTER,
        }
    }
}

/// The actor behind the desk.
#[derive(Debug)]
struct Coordinator {
    context: Arc<BatchContext>,
    limits: Limits,
    queue: VecDeque<Waiting>,
    busy: HashSet<Lane>,
    free_slots: usize,
}

impl Actor for Coordinator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The desk bounds the queue before it sends, so this is never what refuses.
        ctx.set_mailbox_capacity(self.limits.queue_max);
        // While all slots are taken by slow transactions nothing else looks at the queue.
        let look_every = (self.limits.queue_wait_max / 8).max(Duration::from_millis(10));
        ctx.run_interval(look_every, |coordinator, _| {
            coordinator.turn_away_the_late();
        });
    }
}

impl Handler<Waiting> for Coordinator {
    type Result = ();

    fn handle(&mut self, waiting: Waiting, ctx: &mut Self::Context) {
        self.queue.push_back(waiting);
        self.fill_slots(ctx);
    }
}

impl Coordinator {
    fn fill_slots(&mut self, ctx: &mut Context<Self>) {
        while self.free_slots > 0 && self.is_worth_a_slot() {
            let lanes = |waiting: &Waiting| waiting.member.command.lanes();
            let batch = take_batch(
                &mut self.queue,
                &mut self.busy,
                self.limits.batch_max,
                lanes,
            );
            if batch.is_empty() {
                return;
            }
            self.start_batch(batch, ctx);
        }
    }

    /// An idle coordinator starts at once. Beside a running transaction a small one would cost more
    /// than it gains: those few get into a larger one when more have come or the running one ends,
    /// whichever is sooner.
    fn is_worth_a_slot(&self) -> bool {
        let idle = self.free_slots == self.limits.transactions_in_flight;
        idle || self.queue.len() >= self.limits.batch_min_in_parallel
    }

    /// Answers those that have waited too long, and forgets those for whom nobody waits. Lanes can
    /// let a younger one go first, so the late are not only in front.
    fn turn_away_the_late(&mut self) {
        let limit = self.limits.queue_wait_max;
        let late = |waiting: &Waiting| {
            waiting.member.reply.is_closed() || waiting.queued_at.elapsed() > limit
        };
        let (late, in_time): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(late);
        self.queue = in_time;
        for waiting in late {
            let label = RefusedLabel {
                reason: RefusedBecause::WaitedTooLong,
            };
            self.context
                .metrics
                .coordinator_rejected
                .get_or_create(&label)
                .inc();
            let overloaded = Undecided::Overloaded {
                retry_after: RETRY_AFTER,
            };
            waiting
                .member
                .answer(Err(overloaded), &self.context.metrics);
        }
    }

    fn start_batch(&mut self, batch: Vec<Waiting>, ctx: &mut Context<Self>) {
        self.free_slots -= 1;
        let mut lanes = Vec::with_capacity(batch.len() * 2);
        let mut members = Vec::with_capacity(batch.len());
        for waiting in batch {
            let waited_s = waiting.queued_at.elapsed().as_secs_f64();
            self.context
                .metrics
                .coordinator_mailbox_wait
                .observe(waited_s);
            lanes.extend(waiting.member.command.lanes());
            members.push(waiting.member);
        }
        let context = Arc::clone(&self.context);
        // A task of its own: a panic in it must not take the coordinator along.
        let task = actix_rt::spawn(async move { checkout_batch::run(&context, members).await });
        ctx.spawn(task.into_actor(self).map(move |ended, coordinator, ctx| {
            if let Err(error) = ended {
                tracing::error!("a batch of checkouts died: {error}");
            }
            for lane in &lanes {
                coordinator.busy.remove(lane);
            }
            coordinator.free_slots += 1;
            coordinator.fill_slots(ctx);
        }));
    }
}
