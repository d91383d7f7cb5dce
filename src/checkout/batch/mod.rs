//! Carries out a batch of checkouts, in as few transactions as can be shared.
//!
//! | piece | owns |
//! |---|---|
//! | `together` | a batch in a slot: one transaction, and which members are set aside if it fails |
//! | `apart` | the slow lane: the cause of a failure is found by halving |
//! | `attempt` | one transaction: begin and commit |
//! | `script` | what is in it, in one of two sequences |
//! | `inputs` | what the database says about the batch, and the verdict about each member |
//! | `planned`, `settled` | its members before and after the outcomes of the reservation |
//! | `needs`, `set_aside` | rows that members need; taking members out that would hold the others up |
//! | `outcome` | the outcome of a member, and what follows from it |
//! | `failure`, `causes` | what can go wrong and what is done then; finding the causes |
//! | `labels` | counting answers and lines |
//!
//! An unknown commit is resolved by trying again: an attempt that has the cart's lock looks the idempotency
//! key up, so what was committed is found and repeated, never guessed. While the lost transaction still
//! holds the cart, the checkout is set aside.

mod apart;
mod attempt;
mod causes;
mod failure;
mod inputs;
pub mod labels;
mod needs;
mod outcome;
mod planned;
mod script;
mod set_aside;
mod settled;
mod together;

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::{
    batching::{Answer, Ended, Member, Work, desk::Desk},
    db::outbox::ClaimedEvent,
    domain::terms::Terms,
    held_rows::HeldRows,
    metrics::{Meters, Metrics, ReplayLabel},
    vendors::directory::VendorDirectory,
};

use self::failure::AttemptError;
use super::command::{CheckoutCommand, Decision, Lane};

/// The limits and tools that every batch works with.
#[derive(Clone, Debug)]
pub struct BatchContext {
    /// Opened on the actors' arbiter.
    pub(super) pool: PgPool,
    pub(super) directory: VendorDirectory,
    pub(super) held_rows: HeldRows,
    pub(super) terms: Terms,
    /// The most line items in a transaction of more than one checkout.
    pub(super) batch_lines_max: usize,
    /// The time that a transaction may take to begin, the wait for a connection included.
    pub(super) begin_wait_max: Duration,
    /// The time that it may then take up to its commit.
    pub(super) transaction_limit: Duration,
    /// The time that the reservation may take, its wait for rows included.
    pub(super) reserve_wait_max: Duration,
    /// The time that the commit may take.
    pub(super) commit_wait_max: Duration,
    /// The time that a checkout waits for rows which others hold, once that is known.
    pub(super) held_wait_max: Duration,
    /// The most attempts at a lone checkout.
    pub(super) attempts_max: u32,
    /// The time for which a first answer is kept.
    pub(super) keep_answers_for: Duration,
    /// The time after their commit for which events are claimed by this process.
    pub(super) claim_events_for: Duration,
    /// Takes the events after their commit, to be published.
    pub(super) committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
    pub(super) metrics: Metrics,
}

/// A cart of more than one part in so many of the lines that fit into a transaction goes to the slow lane.
const HEAVY_SHARE: usize = 10;

/// Reading and writing may each take this part of what a transaction may: a connection that has fallen
/// silent in one of them is given up long before the whole time is over.
const PART: u32 = 3;

impl BatchContext {
    async fn in_time<T>(&self, part: impl Future<Output = T>) -> Result<T, AttemptError> {
        tokio::time::timeout(self.transaction_limit / PART, part)
            .await
            .map_err(|_| AttemptError::DeadlinePassed)
    }

    /// The number of lines from which on a checkout goes to the slow lane instead of sharing a transaction.
    fn heavy_from(&self) -> usize {
        self.batch_lines_max / HEAVY_SHARE
    }
}

/// The desk at which checkouts are handed in.
pub type CheckoutDesk = Desk<BatchContext>;

type CheckoutMember = Member<BatchContext>;

/// Things learned about a checkout while it was tried.
#[derive(Debug, Default)]
pub struct Notes {
    /// A commit was sent whose outcome is unknown, so the checkout may have been carried out.
    is_commit_unknown: bool,
    /// The time at which the checkout first had to wait for a row that others held.
    set_aside_at: Option<Instant>,
    /// The number of line items, once the cart was read.
    lines: Option<usize>,
    /// The number of attempts at this checkout alone.
    tries: u32,
}

impl Work for BatchContext {
    type Command = CheckoutCommand;
    type Notes = Notes;
    type Decision = Decision;
    type Lane = Lane;

    fn lanes(command: &CheckoutCommand) -> Vec<Lane> {
        command.lanes()
    }

    fn weight(member: &CheckoutMember) -> usize {
        // A cart is read in the transaction: its weight is known when it had to come back.
        member.notes.lines.unwrap_or(1)
    }

    async fn carry_out(&self, batch: Vec<CheckoutMember>) -> Ended<Self> {
        together::run(self, batch).await
    }

    async fn carry_out_apart(&self, batch: Vec<CheckoutMember>) -> Ended<Self> {
        apart::run(self, batch).await
    }

    fn count(&self, answer: &Answer<Self>) {
        Metrics::count(&self.metrics.checkouts, labels::of_answer(answer));
        if let Ok(Decision::Replayed(_)) = answer {
            let label = ReplayLabel {
                source: "postgresql",
            };
            self.metrics.replays.get_or_create(&label).inc();
        }
    }

    fn meters(&self) -> &Meters {
        &self.metrics.checkout_queue
    }
}
