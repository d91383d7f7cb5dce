//! Group commit: whoever waits is carried out together, in one transaction, when a slot is free.
//!
//! | piece | owns |
//! |---|---|
//! | [`desk`] | where commands are handed in: admission, the bounded queue |
//! | [`coordinator`] | the actor behind the desk: who goes next, a few transactions at a time |
//! | [`arbiter`] | the thread that a desk lives on |
//! | `pace` | how long a newcomer would wait |
//! | [`take_batch`] | which of the waiting share the next transaction: pure |
//!
//! There is no timer: an idle coordinator adds no latency, a busy one makes larger batches. What is
//! carried out is a [`Work`]: checkouts, and cart PUTs.

pub mod arbiter;
pub mod coordinator;
pub mod desk;
mod pace;
pub mod take_batch;

use std::{fmt::Debug, hash::Hash, sync::Arc, time::Duration};

use tokio::sync::{oneshot, watch};

use crate::metrics::Meters;

/// A kind of work that is carried out in batches.
pub trait Work: Debug + Sized + Send + Sync + 'static {
    /// What is to be done.
    type Command: Debug + Send + Unpin + 'static;
    /// What the database has decided about it.
    type Decision: Debug + Send + Unpin + 'static;
    /// Two commands in one lane never run at the same time, never share a transaction, and never
    /// overtake each other.
    type Lane: Clone + Eq + Hash + Unpin + 'static;

    /// The lanes that a command occupies while it runs.
    fn lanes(command: &Self::Command) -> Vec<Self::Lane>;

    /// Decides every member of a batch and answers its caller as soon as it is decided.
    fn carry_out(&self, batch: Vec<Member<Self>>) -> impl Future<Output = ()>;

    /// Counts an answer that is about to be given.
    fn count(&self, answer: &Answer<Self>);

    /// What is measured of the queue.
    fn meters(&self) -> &Meters;
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
    /// How many transactions run at a time.
    pub transactions_in_flight: usize,
    /// How many commands must wait before another transaction is started beside a running one.
    pub batch_min_in_parallel: usize,
    /// How many commands may wait.
    pub queue_max: usize,
    /// How long one may wait.
    pub queue_wait_max: Duration,
    /// How long a caller waits in all before it is told that the outcome is unknown.
    pub answer_wait_max: Duration,
}

/// A command of a batch, with its caller.
#[derive(Debug)]
pub struct Member<W: Work> {
    /// What is to be done.
    pub command: W::Command,
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
            reply,
            unanswered: Unanswered(Arc::clone(unanswered)),
        }
    }

    /// Whether nobody waits any more, so that nobody would learn what was done.
    pub fn is_forsaken(&self) -> bool {
        self.reply.is_closed()
    }

    /// Answers the caller and counts the outcome.
    pub fn answer(self, work: &W, answer: Answer<W>) {
        work.count(&answer);
        // The caller may have gone; what was done stays in the database for its retry.
        drop(self.reply.send(answer));
    }
}
