//! The coordinator: a few transaction slots behind a queue.
//!
//! Whenever a slot is free the coordinator takes all commands that wait, up to `batch_max`, as one batch.
//! Beside the slots there is a slow lane, one batch at a time, for members whose shared transaction has
//! failed: it never takes a slot from the others. A transaction that is overdue by the pace of the others
//! gives its slot up, a bounded number of times: the next one starts beside it.
//!
//! `desk` is the other half: it starts the coordinator and hands the commands in.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use crate::metrics::{RefusedBecause, RefusedLabel};

use super::{
    Ended, Limits, Member, Next, SetAside, Undecided, Work,
    desk::{QueuePlace, retry_after},
    lane_queue::{LaneQueue, Ticket},
    pace::Pace,
    progress::Progress,
};

/// The pause between two looks at the ages of the running transactions.
const LOOK_AT_AGES_EVERY: Duration = Duration::from_millis(20);
/// No transaction younger than this is slow enough to start a small batch beside it.
const SLOW_MIN: Duration = Duration::from_millis(5);

/// A command in the queue.
#[derive(Debug)]
pub(super) struct Waiting<W: Work> {
    pub member: Member<W>,
    /// Dropping it frees the place in the queue. `None` for members that were set aside meanwhile.
    pub place: Option<QueuePlace>,
}

impl<W: Work> Message for Waiting<W> {
    type Result = ();
}

/// A batch under way.
struct Running {
    started_at: Instant,
    tickets: Vec<Ticket>,
    /// Set once the batch has given its slot up.
    is_overdue: bool,
}

/// The actor.
pub(super) struct Coordinator<W: Work> {
    work: Arc<W>,
    limits: Limits,
    pace: Arc<Pace>,
    progress: Progress,
    queue: LaneQueue<W::Lane, Waiting<W>>,
    /// The batches under way, by their number: the oldest comes first.
    running: BTreeMap<u64, Running>,
    batches_started: u64,
    /// The last time at which a batch has shown that the database can be reached.
    database_seen_at: Option<Instant>,
    /// The number of members that wait for something else than a slot.
    waiting_aside: usize,
    slow_lane: VecDeque<Member<W>>,
    slow_lane_is_busy: bool,
}

impl<W: Work> Coordinator<W> {
    pub(super) fn new(work: Arc<W>, limits: Limits, pace: Arc<Pace>, progress: Progress) -> Self {
        Self {
            work,
            limits,
            pace,
            progress,
            queue: LaneQueue::default(),
            running: BTreeMap::new(),
            batches_started: 0,
            database_seen_at: None,
            waiting_aside: 0,
            slow_lane: VecDeque::new(),
            slow_lane_is_busy: false,
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
            coordinator.refuse_expired();
        });
        ctx.run_interval(LOOK_AT_AGES_EVERY, |coordinator, ctx| {
            coordinator.free_overdue_slots();
            coordinator.fill_slots(ctx);
        });
    }
}

impl<W: Work> Handler<Waiting<W>> for Coordinator<W> {
    type Result = ();

    fn handle(&mut self, waiting: Waiting<W>, ctx: &mut Self::Context) {
        let lanes = W::lanes(&waiting.member.command);
        self.queue.push(waiting, lanes);
        self.fill_slots(ctx);
    }
}

impl<W: Work> Coordinator<W> {
    fn fill_slots(&mut self, ctx: &mut Context<Self>) {
        while self.is_worth_a_slot() {
            let Limits {
                batch_max,
                batch_weight_max,
                ..
            } = self.limits;
            let weight = |waiting: &Waiting<W>| W::weight(&waiting.member);
            let taken = self.queue.take(batch_max, batch_weight_max, weight);
            self.start_batch(taken, ctx);
        }
    }

    /// An idle coordinator starts a batch at once. Beside a running transaction a small one would cost more
    /// than it gains: its few commands get into a larger one when more have come or when the running one
    /// ends, whichever is sooner, unless the running one is slow.
    fn is_worth_a_slot(&self) -> bool {
        let Limits {
            transactions_in_flight,
            batch_min_in_parallel,
            batch_max,
            ..
        } = self.limits;
        let ready = self.queue.ready();
        let in_slots = || self.running.values().filter(|batch| !batch.is_overdue);
        let taken = in_slots().count();
        if ready == 0 || taken >= transactions_in_flight {
            return false;
        }
        // A full batch is always worth a slot.
        if taken == 0 || ready >= batch_min_in_parallel.min(batch_max) {
            return true;
        }
        let slow = (self.pace.average() * 2).max(SLOW_MIN);
        in_slots().all(|batch| batch.started_at.elapsed() > slow)
    }

    /// A transaction that is slower by far than the others may be stuck: the queue does not wait for it.
    fn free_overdue_slots(&mut self) {
        let overdue_after = self.pace.overdue_after();
        let overdue = self.running.values().filter(|batch| batch.is_overdue);
        let more = self
            .limits
            .transactions_overdue_max
            .saturating_sub(overdue.count());
        let newly = self
            .running
            .values_mut()
            .filter(|batch| !batch.is_overdue && batch.started_at.elapsed() > overdue_after);
        for batch in newly.take(more) {
            batch.is_overdue = true;
            self.work.meters().overdue.inc();
        }
    }

    /// Refuses commands that have waited too long, and drops those whose callers have stopped waiting.
    /// Lanes can let a younger command go first, so the expired ones are not only in front.
    fn refuse_expired(&mut self) {
        let limit = self.limits.queue_wait_max;
        let is_in_time =
            |member: &Member<W>| !member.is_abandoned() && member.queued_at.elapsed() <= limit;
        let expired = self
            .queue
            .remove_unless(|waiting| is_in_time(&waiting.member));
        for waiting in expired {
            self.refuse(waiting.member, RefusedBecause::WaitedTooLong);
        }
        let (in_time, expired) = std::mem::take(&mut self.slow_lane)
            .into_iter()
            .partition(is_in_time);
        self.slow_lane = in_time;
        for member in expired {
            self.finish_refused(member, RefusedBecause::WaitedTooLong);
        }
    }

    fn refuse(&self, member: Member<W>, reason: RefusedBecause) {
        let label = RefusedLabel { reason };
        self.work.meters().rejected.get_or_create(&label).inc();
        let in_front = self.pace.forecast(self.queue.ready(), &self.limits);
        let overloaded = Undecided::Overloaded {
            retry_after: retry_after(in_front),
        };
        member.answer(&self.work, Err(overloaded));
    }

    /// Refuses a member that was taken from the queue before.
    fn finish_refused(&mut self, member: Member<W>, reason: RefusedBecause) {
        let ticket = member.ticket;
        self.refuse(member, reason);
        self.queue.finish(ticket);
    }

    fn start_batch(&mut self, taken: Vec<(Ticket, Waiting<W>)>, ctx: &mut Context<Self>) {
        let mut tickets = Vec::with_capacity(taken.len());
        let mut members = Vec::with_capacity(taken.len());
        for (ticket, Waiting { mut member, place }) in taken {
            if place.is_some() {
                let waited_s = member.queued_at.elapsed().as_secs_f64();
                self.work.meters().wait.observe(waited_s);
            }
            tickets.push(ticket);
            member.ticket = ticket;
            members.push(member);
        }
        let number = self.batches_started;
        self.batches_started += 1;
        let batch = Running {
            started_at: Instant::now(),
            tickets,
            is_overdue: false,
        };
        self.running.insert(number, batch);
        let work = Arc::clone(&self.work);
        // The batch is a task of its own: a panic in it must not take the coordinator along.
        let task = actix_rt::spawn(async move { work.carry_out(members).await });
        ctx.spawn(task.into_actor(self).map(move |ended, coordinator, ctx| {
            let ended = ended.unwrap_or_else(|error| died(&error));
            coordinator.batch_ended(number, ended, ctx);
        }));
    }

    fn batch_ended(&mut self, number: u64, ended: Ended<W>, ctx: &mut Context<Self>) {
        let batch = self.running.remove(&number).expect("it ends once");
        self.pace.observe(batch.started_at.elapsed());
        if batch.is_overdue {
            self.work.meters().overdue.dec();
        }
        if !ended.is_database_away {
            self.database_seen_at = Some(Instant::now());
        } else if self.database_seen_at.is_none_or(|at| at < batch.started_at) {
            self.refuse_all();
        }
        self.progress.mark();
        self.settle(&batch.tickets, ended.undecided, ctx);
        self.fill_slots(ctx);
    }

    /// Frees the lanes of the members that were decided, and does the next step of the others.
    fn settle(&mut self, tickets: &[Ticket], undecided: Vec<SetAside<W>>, ctx: &mut Context<Self>) {
        let kept: HashSet<_> = undecided.iter().map(|aside| aside.member.ticket).collect();
        for ticket in tickets.iter().filter(|ticket| !kept.contains(ticket)) {
            self.queue.finish(*ticket);
        }
        for SetAside { member, next } in undecided {
            match next {
                Next::Again => self.put_back(member),
                _ if self.waiting_aside + self.slow_lane.len() >= self.limits.aside_max => {
                    self.finish_refused(member, RefusedBecause::TooManySetAside);
                }
                Next::Apart => self.slow_lane.push_back(member),
                Next::After(resolved) => self.put_back_after(member, resolved, ctx),
            }
        }
        self.start_slow_batch(ctx);
        self.work
            .meters()
            .slow_lane
            .set(self.slow_lane.len().try_into().unwrap_or(i64::MAX));
    }

    fn put_back(&mut self, member: Member<W>) {
        let ticket = member.ticket;
        let waiting = Waiting {
            member,
            place: None,
        };
        self.queue.put_back(ticket, waiting);
    }

    fn put_back_after(
        &mut self,
        member: Member<W>,
        resolved: impl Future<Output = ()> + 'static,
        ctx: &mut Context<Self>,
    ) {
        self.waiting_aside += 1;
        self.work.meters().set_aside.inc();
        ctx.spawn(resolved.into_actor(self).map(|(), coordinator, ctx| {
            coordinator.waiting_aside -= 1;
            coordinator.work.meters().set_aside.dec();
            coordinator.put_back(member);
            coordinator.fill_slots(ctx);
        }));
    }

    fn start_slow_batch(&mut self, ctx: &mut Context<Self>) {
        if self.slow_lane_is_busy || self.slow_lane.is_empty() {
            return;
        }
        self.slow_lane_is_busy = true;
        let most = self.limits.batch_max.min(self.slow_lane.len());
        let members: Vec<_> = self.slow_lane.drain(..most).collect();
        let tickets: Vec<_> = members.iter().map(|member| member.ticket).collect();
        let work = Arc::clone(&self.work);
        let task = actix_rt::spawn(async move { work.carry_out_apart(members).await });
        ctx.spawn(task.into_actor(self).map(move |ended, coordinator, ctx| {
            let ended = ended.unwrap_or_else(|error| died(&error));
            coordinator.slow_lane_is_busy = false;
            coordinator.progress.mark();
            coordinator.settle(&tickets, ended.undecided, ctx);
            coordinator.fill_slots(ctx);
        }));
    }

    /// Answers all that wait at once: PostgreSQL could not be reached, and nothing was heard of it since.
    fn refuse_all(&mut self) {
        for waiting in self.queue.remove_unless(|_| false) {
            waiting
                .member
                .answer(&self.work, Err(Undecided::Unavailable));
        }
        for member in std::mem::take(&mut self.slow_lane) {
            let ticket = member.ticket;
            member.answer(&self.work, Err(Undecided::Unavailable));
            self.queue.finish(ticket);
        }
    }
}

fn died<W: Work>(error: &tokio::task::JoinError) -> Ended<W> {
    tracing::error!("a batch died: {error}");
    Ended::with_all_answered()
}
