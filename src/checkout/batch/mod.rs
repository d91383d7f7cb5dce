//! Carries out a batch of checkouts, in as few transactions as can be shared.
//!
//! | piece | owns |
//! |---|---|
//! | `together` | a batch in a slot: one transaction, and who is set aside if it fails |
//! | `apart` | the slow lane: who is to blame for a failure is found by halving |
//! | `attempt` | one transaction: begin and commit, and why it failed |
//! | `script` | what is in it |
//! | `settled` | its members on their way to an outcome, and what is written for them |
//! | `inputs` | what the database says about the batch |
//!
//! An unknown commit is resolved by trying again: an attempt that has the cart's lock looks the
//! idempotency key up, so what was committed is found and repeated, never guessed. While the lost
//! transaction still holds the cart, the checkout is set aside.

mod apart;
mod attempt;
mod inputs;
mod script;
mod settled;
mod together;

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::{
    batching::{Answer, Ended, Member, Undecided, Work, desk::Desk},
    db::outbox::ClaimedEvent,
    domain::{refusal::Refusal, terms::Terms},
    metrics::{Meters, Metrics, ReplayLabel},
};

use self::attempt::AttemptError;
use super::{
    command::{CheckoutCommand, Decision, Lane},
    held_rows::HeldRows,
    vendors::directory::VendorDirectory,
};

/// What every batch needs.
#[derive(Clone, Debug)]
pub struct BatchContext {
    /// Opened on the actors' arbiter.
    pub pool: PgPool,
    /// Where vendors' actors are found.
    pub directory: VendorDirectory,
    /// What others are known to hold.
    pub held_rows: HeldRows,
    /// On which terms carts are bought.
    pub terms: Terms,
    /// The most line items in a transaction of more than one checkout.
    pub batch_lines_max: usize,
    /// How long a transaction may take to begin.
    pub begin_wait_max: Duration,
    /// How long it may then take up to its commit.
    pub transaction_limit: Duration,
    /// How long the reservation may take, its wait for rows included.
    pub reserve_wait_max: Duration,
    /// How long the commit may take.
    pub commit_wait_max: Duration,
    /// How long a checkout waits for rows that others hold, once that is known.
    pub held_wait_max: Duration,
    /// How often a lone checkout is tried.
    pub attempts_max: u32,
    /// How long a first answer is kept.
    pub keep_answers_for: Duration,
    /// How long events belong to us after their commit.
    pub claim_events_for: Duration,
    /// Where they go after it, to be published.
    pub committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
    /// Where to count.
    pub metrics: Metrics,
}

/// A cart of more than this share of the lines that fit into a transaction is no company for others.
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

    /// From how many lines on a checkout goes to the slow lane instead of sharing a transaction.
    fn heavy_from(&self) -> usize {
        self.batch_lines_max / HEAVY_SHARE
    }
}

/// Checkouts, carried out in batches.
pub type CheckoutDesk = Desk<BatchContext>;

type CheckoutMember = Member<BatchContext>;

/// What was learned about a checkout while it was tried.
#[derive(Debug, Default)]
pub struct Notes {
    /// A commit was sent for it whose outcome is unknown: "nothing was done" may not be said.
    is_commit_unknown: bool,
    /// When it first had to wait for a row that somebody else held.
    set_aside_at: Option<Instant>,
    /// How many line items it has.
    lines: Option<usize>,
    /// How often it was tried alone.
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
        // A cart is read in the transaction: what it weighs is known when it had to come back.
        member.notes.lines.unwrap_or(1)
    }

    async fn carry_out(&self, batch: Vec<CheckoutMember>) -> Ended<Self> {
        together::run(self, batch).await
    }

    async fn carry_out_apart(&self, batch: Vec<CheckoutMember>) -> Ended<Self> {
        apart::run(self, batch).await
    }

    fn count(&self, answer: &Answer<Self>) {
        Metrics::count(&self.metrics.checkouts, outcome(answer));
        if let Ok(Decision::Replayed(_)) = answer {
            let label = ReplayLabel {
                source: "postgresql",
            };
            self.metrics.replays.get_or_create(&label).inc();
        }
    }

    fn meters(&self) -> &Meters {
        &self.metrics.coordinator
    }
}

fn outcome(answer: &Answer<BatchContext>) -> &'static str {
    match answer {
        Ok(Decision::Created(_)) => "created",
        Ok(Decision::Replayed(_)) => "replayed",
        Ok(Decision::Refused(refusal)) => match refusal {
            Refusal::KeyReused => "key_reused",
            Refusal::CartNotFound => "cart_not_found",
            Refusal::CartAlreadyConverted(_) => "already_converted",
            Refusal::Forbidden(_) => "forbidden",
            Refusal::CartExpired { .. } => "cart_expired",
            Refusal::CartChanged(_) => "cart_changed",
            Refusal::Invalid(_) => "invalid",
            Refusal::StockChanged(_) => "stock_changed",
        },
        Err(Undecided::Overloaded { .. }) => "overloaded",
        Err(Undecided::Unavailable) => "unavailable",
        Err(Undecided::Failed) => "failed",
    }
}
