//! The coordinator: a few transaction slots behind a queue.
//!
//! Whenever a slot is free it takes all that waits, up to `batch_max`, as one batch.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use crate::metrics::{RefusedBecause, RefusedLabel};

use super::{
    Limits, Member, Undecided, Work,
    desk::{QueuePlace, RETRY_AFTER},
    pace::Pace,
    take_batch::take_batch,
};

/// A command in the queue.
#[derive(Debug)]
pub(super) struct Waiting<W: Work> {
    pub member: Member<W>,
    pub queued_at: Instant,
    #[expect(dead_code, reason = "dropping it gives the place to somebody else")]
    pub place: QueuePlace,
}

impl<W: Work> Message for Waiting<W> {
    type Result = ();
}

/// See the module.
pub(super) struct Coordinator<W: Work> {
    work: Arc<W>,
    limits: Limits,
    pace: Arc<Pace>,
    queue: VecDeque<Waiting<W>>,
    busy: HashSet<W::Lane>,
    free_slots: usize,
}

impl<W: Work> Coordinator<W> {
    pub(super) fn new(work: Arc<W>, limits: Limits, pace: Arc<Pace>) -> Self {
        Self {
            work,
            limits,
            pace,
            queue: VecDeque::new(),
            busy: HashSet::new(),
            free_slots: limits.transactions_in_flight,
        }
    }
}

impl<W: Work> Actor for Coordinator<W> {
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

impl<W: Work> Handler<Waiting<W>> for Coordinator<W> {
    type Result = ();

    fn handle(&mut self, waiting: Waiting<W>, ctx: &mut Self::Context) {
        self.queue.push_back(waiting);
        self.fill_slots(ctx);
    }
}

impl<W: Work> Coordinator<W> {
    fn fill_slots(&mut self, ctx: &mut Context<Self>) {
        while self.free_slots > 0 && self.is_worth_a_slot() {
            let lanes = |waiting: &Waiting<W>| W::lanes(&waiting.member.command);
            let batch_max = self.limits.batch_max;
            let batch = take_batch(&mut self.queue, &mut self.busy, batch_max, lanes);
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
        let Limits {
            transactions_in_flight,
            batch_min_in_parallel,
            batch_max,
            ..
        } = self.limits;
        let idle = self.free_slots == transactions_in_flight;
        // What fills a batch is always enough.
        idle || self.queue.len() >= batch_min_in_parallel.min(batch_max)
    }

    /// Answers those that have waited too long, and forgets those for whom nobody waits. Lanes can
    /// let a younger one go first, so the late are not only in front.
    fn turn_away_the_late(&mut self) {
        let limit = self.limits.queue_wait_max;
        let late = |waiting: &Waiting<W>| {
            waiting.member.is_forsaken() || waiting.queued_at.elapsed() > limit
        };
        let (late, in_time): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(late);
        self.queue = in_time;
        for waiting in late {
            let label = RefusedLabel {
                reason: RefusedBecause::WaitedTooLong,
            };
            self.work.meters().rejected.get_or_create(&label).inc();
            let overloaded = Undecided::Overloaded {
                retry_after: RETRY_AFTER,
            };
            waiting.member.answer(&self.work, Err(overloaded));
        }
    }

    fn start_batch(&mut self, batch: Vec<Waiting<W>>, ctx: &mut Context<Self>) {
        self.free_slots -= 1;
        let mut lanes = Vec::with_capacity(batch.len() * 2);
        let mut members = Vec::with_capacity(batch.len());
        for waiting in batch {
            let waited_s = waiting.queued_at.elapsed().as_secs_f64();
            self.work.meters().wait.observe(waited_s);
            lanes.extend(W::lanes(&waiting.member.command));
            members.push(waiting.member);
        }
        let started_at = Instant::now();
        let work = Arc::clone(&self.work);
        // A task of its own: a panic in it must not take the coordinator along.
        let task = actix_rt::spawn(async move { work.carry_out(members).await });
        ctx.spawn(task.into_actor(self).map(move |ended, coordinator, ctx| {
            if let Err(error) = ended {
                tracing::error!("a batch died: {error}");
            }
            coordinator.pace.observe(started_at.elapsed());
            for lane in &lanes {
                coordinator.busy.remove(lane);
            }
            coordinator.free_slots += 1;
            coordinator.fill_slots(ctx);
        }));
    }
}
