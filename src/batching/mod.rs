//! Group commit: the commands that wait are carried out together, in one transaction, when a slot is free.
//!
//! | piece | owns |
//! |---|---|
//! | [`desk`] | the door: admission, the bounded queue |
//! | `coordinator` | the actor behind the desk: which commands go next, a few transactions at a time |
//! | `arbiter` | the thread that a desk lives on |
//! | `lane_queue` | which of the waiting may share the next transaction: pure |
//! | `pace` | how long a newcomer would wait, and which transaction is overdue |
//! | `progress` | since when nothing has ended although commands wait |
//!
//! There is no timer between a waiting command and a free slot: an idle coordinator adds no latency, a
//! busy one makes larger batches. There are two kinds of [`Work`]: checkouts, and cart PUTs.
//!
//! `desk` and `coordinator` are two halves of one thing and know each other: the desk starts the
//! coordinator, and the coordinator gives back the places that the desk has taken in the queue.
//!
//! Sharing a transaction must not mean sharing its fate. A command that keeps the others of its batch
//! from their commit is set aside ([`Next`]) and the others go on without it; a transaction that is
//! slower than its predecessors loses its slot to the next one.

pub(crate) mod arbiter;
mod coordinator;
pub mod desk;
mod lane_queue;
mod pace;
mod progress;

use std::{fmt::Debug, hash::Hash, sync::Arc, time::Duration, time::Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use crate::{
    metrics::Meters,
    request_id::{self, RequestId},
};

use self::lane_queue::Ticket;

/// A kind of work that is carried out in batches.
pub trait Work: Debug + Sized + Send + Sync + 'static {
    /// A request for something to be done.
    type Command: Debug + Send + Unpin + 'static;
    /// Things learned about a command while it is carried out, kept for the next time.
    type Notes: Debug + Default + Send + Unpin + 'static;
    /// The database's decision about a command.
    type Decision: Debug + Send + Unpin + 'static;
    /// Two commands in one lane never run at the same time, never share a transaction, and never
    /// overtake each other.
    type Lane: Clone + Eq + Hash + Unpin + 'static;

    /// The lanes that a command occupies while it runs.
    fn lanes(command: &Self::Command) -> Vec<Self::Lane>;

    /// The weight of a member in its transaction, in line items, as far as is known.
    fn weight(member: &Member<Self>) -> usize;

    /// Carries a batch out and answers every member as soon as it is decided. Members that are not
    /// decided come back.
    fn carry_out(&self, batch: Vec<Member<Self>>) -> impl Future<Output = Ended<Self>>;

    /// Carries members out whose shared transaction has failed because of some of them: each is to fail
    /// or succeed for itself. Runs in the slow lane, where time matters less.
    fn carry_out_apart(&self, batch: Vec<Member<Self>>) -> impl Future<Output = Ended<Self>>;

    /// Counts an answer that is about to be given.
    fn count(&self, answer: &Answer<Self>);

    /// The metrics of the queue.
    fn meters(&self) -> &Meters;
}

/// The end of a batch.
#[derive(Debug)]
pub struct Ended<W: Work> {
    /// The members that are not decided.
    pub undecided: Vec<SetAside<W>>,
    /// PostgreSQL could not be reached at all, so no member that waits would fare better.
    pub is_database_away: bool,
}

impl<W: Work> Ended<W> {
    /// All members were answered.
    pub fn with_all_answered() -> Self {
        Self {
            undecided: Vec::new(),
            is_database_away: false,
        }
    }
}

/// A member that is not decided, and what is next for it.
#[derive(Debug)]
pub struct SetAside<W: Work> {
    pub member: Member<W>,
    pub next: Next,
}

/// The next step of a member that was not decided.
pub enum Next {
    /// Back to the queue, in its old place.
    Again,
    /// To the slow lane.
    Apart,
    /// Back to the queue, when this has resolved.
    After(BoxFuture<'static, ()>),
}

impl Debug for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Again => "Again",
            Self::Apart => "Apart",
            Self::After(_) => "After",
        })
    }
}

/// The answer that a caller gets.
pub type Answer<W> = Result<<W as Work>::Decision, Undecided>;

/// The reason for which there is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// The queue is full, the wait was too long, or the service is shutting down: nothing was done.
    Overloaded {
        /// The time after which it is worth trying again.
        retry_after: Duration,
    },
    /// PostgreSQL can't be reached. If it was lost during the commit, a retry with the same key
    /// finds out what happened.
    Unavailable,
    /// A fault of this service, logged where it happened.
    Failed,
}

/// The limits of what is done at a time and of what may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most commands in one transaction.
    pub batch_max: usize,
    /// The most weight in one transaction that holds more than one command.
    pub batch_weight_max: usize,
    /// The transactions that run at a time.
    pub transactions_in_flight: usize,
    /// The transactions that may run besides, because as many are overdue.
    pub transactions_overdue_max: usize,
    /// The commands that must wait before another transaction is started beside a running one.
    pub batch_min_in_parallel: usize,
    /// The most commands in the queue.
    pub queue_max: usize,
    /// The most commands that are set aside.
    pub aside_max: usize,
    /// The longest wait in the queue.
    pub queue_wait_max: Duration,
    /// The longest wait of a caller in all. Then it is answered that the outcome is unknown.
    pub answer_wait_max: Duration,
}

/// The ids of the requests that wait for a batch, for a line about all of it.
pub fn request_ids<W: Work>(batch: &[Member<W>]) -> String {
    request_id::list(batch.iter().map(Member::request_id))
}

/// A command of a batch, with its caller.
#[derive(Debug)]
pub struct Member<W: Work> {
    pub command: W::Command,
    pub notes: W::Notes,
    pub queued_at: Instant,
    /// The id of the request that waits for the answer.
    request_id: Option<RequestId>,
    /// The command's place in the queue.
    ticket: Ticket,
    /// The caller waits at the other end.
    reply: oneshot::Sender<Answer<W>>,
    #[expect(dead_code, reason = "dropping it says that this member is done with")]
    unanswered: Unanswered,
}

/// A member that is counted while it is not answered.
#[derive(Debug)]
struct Unanswered(Arc<watch::Sender<usize>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<W: Work> Member<W> {
    /// A member that is counted in `unanswered` until it is answered or dropped.
    fn new(
        command: W::Command,
        reply: oneshot::Sender<Answer<W>>,
        unanswered: &Arc<watch::Sender<usize>>,
    ) -> Self {
        unanswered.send_modify(|count| *count += 1);
        Self {
            command,
            notes: W::Notes::default(),
            queued_at: Instant::now(),
            request_id: request_id::current(),
            ticket: Ticket::default(),
            reply,
            unanswered: Unanswered(Arc::clone(unanswered)),
        }
    }

    /// The id of the request that waits for the answer, for the log.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// True if the caller has stopped waiting, so that no answer would arrive.
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Answers the caller and counts the outcome.
    pub fn answer(self, work: &W, answer: Answer<W>) {
        work.count(&answer);
        // The caller may have gone; what was done stays in the database for its retry.
        drop(self.reply.send(answer));
    }
}
