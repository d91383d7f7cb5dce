//! Group commit: whoever waits is carried out together, in one transaction, when a slot is free.
//!
//! | piece | owns |
//! |---|---|
//! | [`desk`] | where commands are handed in: admission, the bounded queue |
//! | [`coordinator`] | the actor behind the desk: who goes next, a few transactions at a time |
//! | [`arbiter`] | the thread that a desk lives on |
//! | [`lane_queue`] | which of the waiting may share the next transaction: pure |
//! | `pace` | how long a newcomer would wait, and which transaction is overdue |
//! | `progress` | since when nothing has ended although somebody waits |
//!
//! There is no timer between a waiting command and a free slot: an idle coordinator adds no latency, a
//! busy one makes larger batches. What is carried out is a [`Work`]: checkouts, and cart PUTs.
//!
//! Sharing a transaction must not mean sharing its fate. A command that keeps the others of its batch
//! from their commit is set aside ([`Next`]) and the others go on without it; a transaction that is
//! slower than its predecessors loses its slot to the next one.

pub mod arbiter;
pub mod coordinator;
pub mod desk;
pub mod lane_queue;
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
    /// What is to be done.
    type Command: Debug + Send + Unpin + 'static;
    /// What is learned about a command while it is carried out, for when it is carried out again.
    type Notes: Debug + Default + Send + Unpin + 'static;
    /// What the database has decided about it.
    type Decision: Debug + Send + Unpin + 'static;
    /// Two commands in one lane never run at the same time, never share a transaction, and never
    /// overtake each other.
    type Lane: Clone + Eq + Hash + Unpin + 'static;

    /// The lanes that a command occupies while it runs.
    fn lanes(command: &Self::Command) -> Vec<Self::Lane>;

    /// How many rows of a transaction it takes, in line items, as far as is known.
    fn weight(member: &Member<Self>) -> usize;

    /// Carries a batch out and answers every member as soon as it is decided. Those that it does not
    /// decide come back.
    fn carry_out(&self, batch: Vec<Member<Self>>) -> impl Future<Output = Ended<Self>>;

    /// The same for members whose shared transaction has failed because of some of them: each is to
    /// fail or succeed for itself. Runs in the slow lane, where time matters less.
    fn carry_out_apart(&self, batch: Vec<Member<Self>>) -> impl Future<Output = Ended<Self>>;

    /// Counts an answer that is about to be given.
    fn count(&self, answer: &Answer<Self>);

    /// What is measured of the queue.
    fn meters(&self) -> &Meters;
}

/// How a batch ended.
#[derive(Debug)]
pub struct Ended<W: Work> {
    /// Those who are not decided.
    pub undecided: Vec<SetAside<W>>,
    /// Whether PostgreSQL could not be reached at all, so that nobody who waits would fare better.
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
    /// Who.
    pub member: Member<W>,
    /// What.
    pub next: Next,
}

/// What is next for a member that was not decided.
pub enum Next {
    /// The queue, in its old place.
    Again,
    /// The slow lane.
    Apart,
    /// The queue, when this has resolved.
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

/// What a caller gets.
pub type Answer<W> = Result<<W as Work>::Decision, Undecided>;

/// Why the database could not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// The queue is full, the wait was too long, or we are shutting down: nothing was done.
    Overloaded {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// PostgreSQL can't be reached. If it was lost during the commit, a retry with the same key
    /// finds out what happened.
    Unavailable,
    /// A fault of ours, logged where it happened.
    Failed,
}

/// How much is done at a time, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most commands in one transaction.
    pub batch_max: usize,
    /// The most weight in one transaction that holds more than one command.
    pub batch_weight_max: usize,
    /// How many transactions run at a time.
    pub transactions_in_flight: usize,
    /// How many more may run because as many are overdue.
    pub transactions_overdue_max: usize,
    /// How many commands must wait before another transaction is started beside a running one.
    pub batch_min_in_parallel: usize,
    /// How many commands may wait.
    pub queue_max: usize,
    /// How many may be set aside.
    pub aside_max: usize,
    /// How long one may wait.
    pub queue_wait_max: Duration,
    /// How long a caller waits in all before it is told that the outcome is unknown.
    pub answer_wait_max: Duration,
}

/// The ids of the requests that wait for a batch, for a line about all of it.
pub fn request_ids<W: Work>(batch: &[Member<W>]) -> String {
    request_id::list(batch.iter().map(Member::request_id))
}

/// A command of a batch, with its caller.
#[derive(Debug)]
pub struct Member<W: Work> {
    /// What is to be done.
    pub command: W::Command,
    /// What was learned about it.
    pub notes: W::Notes,
    /// When it was handed in.
    pub queued_at: Instant,
    /// The request that waits for it.
    request_id: Option<RequestId>,
    /// Its place in the queue.
    ticket: Ticket,
    /// Where the caller waits.
    reply: oneshot::Sender<Answer<W>>,
    #[expect(dead_code, reason = "dropping it says that this member is done with")]
    unanswered: Unanswered,
}

/// Counted while it exists.
#[derive(Debug)]
struct Unanswered(Arc<watch::Sender<usize>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<W: Work> Member<W> {
    /// A command that is counted in `unanswered` until it is answered or given up.
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

    /// The id of the request that waits for it, for the log.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Whether nobody waits any more, so that nobody would learn what was done.
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
