//! Carries out a batch of checkouts: together in one transaction, and one by one if that fails.
//!
//! A shared transaction that fails for any reason is tried again with each member alone, so that a
//! poison checkout fails alone. That also resolves an unknown commit: a lone attempt first waits for
//! the cart's lock and then looks the idempotency key up, so what was committed is found and
//! repeated, never guessed.

mod attempt;
pub mod lent_tx;
mod situation;

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use sqlx::PgPool;
use tokio::sync::{Notify, oneshot, watch};

use crate::{
    domain::checkout::PaymentPolicy,
    metrics::{Metrics, ReplayLabel},
};

use self::attempt::{AttemptError, Remedy, attempt};
use super::{
    command::{Answer, CheckoutCommand, Decision, Refusal, Undecided},
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
    /// Which ways of paying are offered.
    pub payment_policy: PaymentPolicy,
    /// How long a transaction may take up to its commit.
    pub transaction_limit: Duration,
    /// How often a lone checkout is tried.
    pub attempts_max: u32,
    /// How long a first answer is kept.
    pub keep_answers_for: Duration,
    /// Told after each commit: events are waiting.
    pub relay_nudge: Arc<Notify>,
    /// Where to count.
    pub metrics: Metrics,
}

/// A checkout of a batch, with its caller.
#[derive(Debug)]
pub struct Member {
    /// What is to be done.
    pub command: CheckoutCommand,
    /// Where the caller waits.
    pub reply: oneshot::Sender<Answer>,
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

impl Member {
    /// A checkout that is counted in `unanswered` until it is answered or given up.
    pub fn new(
        command: CheckoutCommand,
        reply: oneshot::Sender<Answer>,
        unanswered: &Arc<watch::Sender<usize>>,
    ) -> Self {
        unanswered.send_modify(|count| *count += 1);
        Self {
            command,
            reply,
            unanswered: Unanswered(Arc::clone(unanswered)),
        }
    }

    /// Answers the caller and counts the outcome.
    pub fn answer(self, answer: Answer, metrics: &Metrics) {
        Metrics::count(&metrics.checkouts, outcome(&answer));
        if let Ok(Decision::Replayed(_)) = &answer {
            metrics
                .replays
                .get_or_create(&ReplayLabel {
                    source: "postgresql",
                })
                .inc();
        }
        // The caller may have gone; then the first answer stays in the database for its retry.
        drop(self.reply.send(answer));
    }
}

/// Decides every member of a batch and answers its caller as soon as it is decided.
pub async fn run(context: &BatchContext, batch: Vec<Member>) {
    let batch = if batch.len() > 1 {
        run_together(context, batch).await
    } else {
        batch
    };
    for member in batch {
        // Nobody waits any more, so nobody would learn what was done.
        if !member.reply.is_closed() {
            let decided = run_alone(context, &member.command).await;
            member.answer(decided, &context.metrics);
        }
    }
}

/// One attempt for all. Returns those that are to be tried alone: none, or all.
async fn run_together(context: &BatchContext, batch: Vec<Member>) -> Vec<Member> {
    let commands: Vec<_> = batch.iter().map(|member| &member.command).collect();
    let error = match attempt(context, &commands).await {
        Ok(decisions) => {
            for (member, decision) in batch.into_iter().zip(decisions) {
                member.answer(Ok(decision), &context.metrics);
            }
            return Vec::new();
        }
        Err(error) => error,
    };
    let size = batch.len();
    tracing::warn!(
        batch.size = size,
        "a batch of {size} checkouts failed: {error}"
    );
    let Some(undecided) = error.hopeless_for_all() else {
        return batch;
    };
    for member in batch {
        member.answer(Err(undecided.clone()), &context.metrics);
    }
    Vec::new()
}

async fn run_alone(context: &BatchContext, command: &CheckoutCommand) -> Answer {
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
        if let Some(undecided) = error.hopeless_for_all() {
            return Err(undecided);
        }
        if error.remedy() == Remedy::GiveUp || tries >= context.attempts_max {
            return Err(give_up(command, &error));
        }
        tracing::warn!(
            cart.id = %command.request.cart_id,
            "trying cart {} again: {error}",
            command.request.cart_id
        );
        context.metrics.batch_retries.inc();
        let wait = RETRY_WAIT * tries;
        tokio::time::sleep(wait + wait.mul_f64(rand::rng().random())).await;
    }
}

fn give_up(command: &CheckoutCommand, error: &AttemptError) -> Undecided {
    match error.remedy() {
        Remedy::TryAgainAfterReconnecting => Undecided::Unavailable,
        Remedy::TryAgain => Undecided::Overloaded {
            retry_after: Duration::from_secs(1),
        },
        Remedy::GiveUp => {
            let cart = command.request.cart_id;
            tracing::error!(cart.id = %cart, "checkout of cart {cart} failed: {error}");
            Undecided::Failed
        }
    }
}

fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(Decision::Created(_)) => "created",
        Ok(Decision::Replayed(_)) => "replayed",
        Ok(Decision::Refused(refusal)) => match refusal {
            Refusal::KeyReused => "key_reused",
            Refusal::CartNotFound => "cart_not_found",
            Refusal::CartAlreadyConverted(_) => "already_converted",
            Refusal::BuyerIneligible(_) => "buyer_ineligible",
            Refusal::Invalid(_) => "invalid",
        },
        Err(Undecided::Overloaded { .. }) => "overloaded",
        Err(Undecided::Unavailable) => "unavailable",
        Err(Undecided::Failed) => "failed",
    }
}
