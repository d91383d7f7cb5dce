//! Carries out a batch of checkouts: together in one transaction, and one by one if that fails.
//!
//! A shared transaction that fails for any reason is tried again with each member alone, so that a
//! poison checkout fails alone. That also resolves an unknown commit: a lone attempt first waits for
//! the cart's lock and then looks the idempotency key up, so what was committed is found and
//! repeated, never guessed.

mod attempt;
pub mod lent_tx;
mod prepare;
mod situation;

use std::time::Duration;

use rand::RngExt;
use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::{
    batching::{Answer, Member, Undecided, Work, desk::Desk},
    db::outbox::ClaimedEvent,
    domain::{checkout::Terms, objection::Objection},
    metrics::{Meters, Metrics, ReplayLabel},
};

use self::attempt::{AttemptError, Remedy, attempt};
use super::{
    command::{CheckoutCommand, Decision, Lane, Refusal},
    vendor_directory::VendorDirectory,
};

/// The wait before a lone attempt is repeated, times the number of attempts so far, plus as much
/// again at random: enough for the other side of a deadlock to finish.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// What every batch needs.
#[derive(Clone, Debug)]
pub struct BatchContext {
    /// Opened on the actors' arbiter.
    pub pool: PgPool,
    /// Where vendors' actors are found.
    pub directory: VendorDirectory,
    /// On which terms carts are bought.
    pub terms: Terms,
    /// How long a transaction may take up to its commit.
    pub transaction_limit: Duration,
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

/// Checkouts, carried out in batches.
pub type CheckoutDesk = Desk<BatchContext>;

type CheckoutMember = Member<BatchContext>;

impl Work for BatchContext {
    type Command = CheckoutCommand;
    type Decision = Decision;
    type Lane = Lane;

    fn lanes(command: &CheckoutCommand) -> Vec<Lane> {
        command.lanes()
    }

    async fn carry_out(&self, batch: Vec<CheckoutMember>) {
        run(self, batch).await;
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

async fn run(context: &BatchContext, batch: Vec<CheckoutMember>) {
    if batch.len() == 1 {
        return run_one_by_one(context, batch, Commit::NotSent).await;
    }
    let commands: Vec<_> = batch.iter().map(|member| &member.command).collect();
    let error = match attempt(context, &commands).await {
        Ok(decisions) => {
            for (member, decision) in batch.into_iter().zip(decisions) {
                member.answer(context, Ok(decision));
            }
            return;
        }
        Err(error) => error,
    };
    let size = batch.len();
    tracing::warn!(
        batch.size = size,
        "a batch of {size} checkouts failed: {error}"
    );
    if error.is_hopeless_for_all() {
        for member in batch {
            member.answer(context, Err(Undecided::Unavailable));
        }
        return;
    }
    run_one_by_one(context, batch, Commit::of(&error)).await;
}

/// Whether a commit was sent whose outcome we do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    NotSent,
    Unknown,
}

impl Commit {
    fn of(error: &AttemptError) -> Self {
        match error {
            // A panic may have struck after the commit was sent.
            AttemptError::Commit(_) | AttemptError::Panicked => Self::Unknown,
            _ => Self::NotSent,
        }
    }
}

async fn run_one_by_one(context: &BatchContext, batch: Vec<CheckoutMember>, commit: Commit) {
    for member in batch {
        if !member.is_forsaken() {
            let decided = run_alone(context, &member.command, commit).await;
            member.answer(context, decided);
        }
    }
}

async fn run_alone(
    context: &BatchContext,
    command: &CheckoutCommand,
    mut commit: Commit,
) -> Answer<BatchContext> {
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match attempt(context, &[command]).await {
            Ok(decisions) => {
                return Ok(decisions
                    .into_iter()
                    .next()
                    .expect("one command, one decision"));
            }
            Err(error) => error,
        };
        if Commit::of(&error) == Commit::Unknown {
            commit = Commit::Unknown;
        }
        let again = matches!(
            error.remedy(),
            Remedy::TryAgain | Remedy::TryAgainAfterReconnecting
        );
        if !again || error.is_hopeless_for_all() || tries >= context.attempts_max {
            return Err(give_up(command, &error, commit));
        }
        let cart = command.request.cart_id;
        tracing::warn!(cart.id = %cart, "trying cart {cart} again: {error}");
        context.metrics.batch_retries.inc();
        let wait = RETRY_WAIT * tries;
        tokio::time::sleep(wait + wait.mul_f64(rand::rng().random())).await;
    }
}

fn give_up(command: &CheckoutCommand, error: &AttemptError, commit: Commit) -> Undecided {
    let cart = command.request.cart_id;
    match error.remedy() {
        Remedy::GiveUp => {
            tracing::error!(cart.id = %cart, "checkout of cart {cart} failed: {error}");
            Undecided::Failed
        }
        // "Nothing was done" may only be said where no commit was sent.
        _ if commit == Commit::Unknown => Undecided::Unavailable,
        Remedy::TryAgainAfterReconnecting => Undecided::Unavailable,
        Remedy::TryAgain | Remedy::Refuse => {
            tracing::warn!(cart.id = %cart, "cart {cart} was refused: {error}");
            Undecided::Overloaded {
                retry_after: Duration::from_secs(1),
            }
        }
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
            Refusal::Objection(objection) => match objection {
                Objection::CartExpired { .. } => "cart_expired",
                Objection::CartChanged(_) => "cart_changed",
                Objection::Invalid(_) => "invalid",
                Objection::StockChanged(_) => "stock_changed",
            },
        },
        Err(Undecided::Overloaded { .. }) => "overloaded",
        Err(Undecided::Unavailable) => "unavailable",
        Err(Undecided::Failed) => "failed",
    }
}
