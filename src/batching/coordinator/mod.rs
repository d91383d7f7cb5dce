//! The coordinator: a few transaction slots behind a queue.
//!
//! Whenever a slot is free the coordinator takes all commands that wait, up to `batch_max`, as one batch.
//! Beside the slots there is a slow lane, one batch at a time, for members whose shared transaction has
//! failed: it never takes a slot from the others. A transaction that is overdue by the pace of the others
//! gives its slot up, a bounded number of times: the next one starts beside it.
//!
//! `desk` is the other half: it starts the coordinator and hands the commands in.
//!
//! | piece | owns |
//! |---|---|
//! | this file | the state, and the messages |
//! | `next_batch` | when another batch is started, and when a running one gives its slot up |
//! | `aside` | members that come back undecided, and the slow lane |
//! | `refusals` | commands that are refused while they wait |

mod aside;
mod next_batch;
mod refusals;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, AsyncContext, Context, Handler, Message};

use super::{
    Ended, Limits, Member, Work,
    desk::QueuePlace,
    lane_queue::{LaneQueue, Ticket},
    pace::Pace,
    progress::Progress,
};

/// The pause between two looks at the ages of the running transactions.
const LOOK_AT_AGES_EVERY: Duration = Duration::from_millis(20);

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

fn died<W: Work>(error: &tokio::task::JoinError) -> Ended<W> {
    tracing::error!("a batch died: {error}");
    Ended::with_all_answered()
}
