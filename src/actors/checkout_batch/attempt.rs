//! One attempt at a batch: the transaction script, the only `begin` and `commit` of a checkout.
//!
//! Between the first reservation and the commit there is only SQL on this transaction.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Instant};

use chrono::{DateTime, SubsecRound, Utc};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::{
    db::{self, Fault},
    domain::{
        checkout::CheckoutPlan,
        event::OrderCreated,
        idempotency::FirstAnswer,
        ids::{EventId, ProductId, VendorStoreId},
        order::{Checkout, LineRejectionReason},
        reservation::ReservationOutcome,
    },
    faults,
    metrics::Metrics,
};

use super::{
    super::{
        command::{CheckoutCommand, Decision},
        vendor_inventory::{Demands, ReserveError},
    },
    BatchContext,
    lent_tx::LentTx,
    situation::{Prospect, judge},
};

/// Why an attempt failed. Its transaction is rolled back, unless the commit's outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Begin(db::Error),
    #[error(transparent)]
    Statement(#[from] db::Error),
    #[error(transparent)]
    Reserve(ReserveError),
    #[error("the commit's outcome is unknown: {0}")]
    Commit(String),
    #[error("the transaction took longer than it may")]
    DeadlinePassed,
    #[error("a panic, told in the log where it struck")]
    Panicked,
    #[error("another transaction has written one of the idempotency keys")]
    KeyTaken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    TryAgain,
    TryAgainAfterReconnecting,
    /// Its time is up, or somebody holds what it needs.
    Refuse,
    GiveUp,
}

impl AttemptError {
    /// What to try with a member alone.
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Begin(error)
            | Self::Statement(error)
            | Self::Reserve(ReserveError::Database(error)) => match error.fault() {
                Fault::Transient => Remedy::TryAgain,
                Fault::Busy => Remedy::Refuse,
                Fault::Unreachable => Remedy::TryAgainAfterReconnecting,
                Fault::Permanent => Remedy::GiveUp,
            },
            Self::Commit(_) => Remedy::TryAgainAfterReconnecting,
            Self::KeyTaken | Self::Reserve(ReserveError::ActorLost) => Remedy::TryAgain,
            Self::DeadlinePassed | Self::Reserve(ReserveError::DeadlinePassed) => Remedy::Refuse,
            Self::Panicked => Remedy::GiveUp,
        }
    }

    /// Whether there is no connection to be had, so that no member would fare better alone.
    pub(super) fn is_hopeless_for_all(&self) -> bool {
        matches!(self, Self::Begin(_))
    }
}

impl From<ReserveError> for AttemptError {
    fn from(error: ReserveError) -> Self {
        Self::Reserve(error)
    }
}

/// Carries out the commands in one transaction; one decision per command, in the same order. A
/// panic is an error like any other here: it must not take the callers along.
pub(super) async fn attempt(
    context: &BatchContext,
    commands: &[&CheckoutCommand],
) -> Result<Vec<Decision>, AttemptError> {
    let attempt = AssertUnwindSafe(carry_out(context, commands));
    attempt
        .catch_unwind()
        .await
        .unwrap_or(Err(AttemptError::Panicked))
}

async fn carry_out(
    context: &BatchContext,
    commands: &[&CheckoutCommand],
) -> Result<Vec<Decision>, AttemptError> {
    let started = Instant::now();
    context.metrics.batch_size.observe(commands.len() as f64);
    faults::place("before_begin").await;
    let tx = LentTx::begin(&context.pool, context.transaction_limit)
        .await
        .map_err(AttemptError::Begin)?;
    let deadline = started + context.transaction_limit;
    let prepared =
        tokio::time::timeout_at(deadline.into(), prepare(context, tx, commands, deadline));
    let Prepared {
        tx,
        decisions,
        checkouts,
    } = prepared.await.map_err(|_| AttemptError::DeadlinePassed)??;
    // The commit is not under the deadline: once it is sent, only its outcome counts. But a server
    // that never answers must not keep this slot for ever.
    match tokio::time::timeout(context.transaction_limit, tx.commit()).await {
        Ok(committed) => committed.map_err(|error| AttemptError::Commit(error.to_string()))?,
        Err(_) => return Err(AttemptError::Commit("no answer in time".to_owned())),
    }
    faults::place("after_commit").await;
    if !checkouts.is_empty() {
        context.relay_nudge.notify_one();
    }
    count_lines(&context.metrics, &checkouts);
    context
        .metrics
        .batch_duration
        .observe(started.elapsed().as_secs_f64());
    Ok(decisions)
}

/// A transaction with everything in it but the commit.
struct Prepared {
    tx: LentTx,
    decisions: Vec<Decision>,
    checkouts: Vec<Checkout>,
}

async fn prepare(
    context: &BatchContext,
    mut tx: LentTx,
    commands: &[&CheckoutCommand],
    deadline: Instant,
) -> Result<Prepared, AttemptError> {
    // PostgreSQL keeps microseconds; an answer must show the same time when it is read back.
    let now = Utc::now().trunc_subsecs(6);
    let mut decisions = Vec::with_capacity(commands.len());
    let mut plans = Vec::new();
    for (index, prospect) in judge(&mut tx, commands, context.payment_policy, now)
        .await?
        .into_iter()
        .enumerate()
    {
        match prospect {
            Prospect::Decided(decision) => decisions.push(Some(decision)),
            Prospect::Planned(plan) => {
                decisions.push(None);
                plans.push((index, plan));
            }
        }
    }
    let (mut tx, outcomes) = reserve(context, tx, &plans, deadline).await?;
    faults::place("after_reservation").await;
    let mut checkouts = Vec::with_capacity(plans.len());
    let mut answers = Vec::with_capacity(plans.len());
    for ((index, plan), outcomes) in plans.into_iter().zip(outcomes) {
        let checkout = plan.settle(&outcomes, &mut Uuid::now_v7, now);
        let command = commands[index];
        let response = (command.render)(&checkout);
        decisions[index] = Some(Decision::Created(response.clone()));
        let first_answer = FirstAnswer {
            fingerprint: command.fingerprint,
            checkout_group_id: checkout.group.id,
            response,
        };
        answers.push((&command.scope, first_answer));
        checkouts.push(checkout);
    }
    write(context, &mut tx, &checkouts, &answers, now).await?;
    let decisions = decisions
        .into_iter()
        .map(|it| it.expect("every command is decided by now"))
        .collect();
    Ok(Prepared {
        tx,
        decisions,
        checkouts,
    })
}

/// Has the stock of all plans reserved, each vendor's demands in the order of the plans. Returns per
/// plan what became of its demands, by product.
async fn reserve(
    context: &BatchContext,
    tx: LentTx,
    plans: &[(usize, CheckoutPlan)],
    deadline: Instant,
) -> Result<(LentTx, Vec<BTreeMap<ProductId, ReservationOutcome>>), AttemptError> {
    let mut demands = Demands::new();
    let mut askers: BTreeMap<VendorStoreId, Vec<(usize, ProductId)>> = BTreeMap::new();
    for (nr, (_, plan)) in plans.iter().enumerate() {
        for (vendor, of_plan) in plan.demands() {
            let of_vendor = askers.entry(vendor).or_default();
            of_vendor.extend(of_plan.iter().map(|demand| (nr, demand.product_id)));
            demands.entry(vendor).or_default().extend(of_plan);
        }
    }
    let reserved = context.directory.reserve(tx, demands, deadline).await?;
    let mut outcomes = vec![BTreeMap::new(); plans.len()];
    for (askers, of_vendor) in askers.into_values().zip(reserved.outcomes.into_values()) {
        for ((nr, product), outcome) in askers.into_iter().zip(of_vendor) {
            outcomes[nr].insert(product, outcome);
        }
    }
    Ok((reserved.tx, outcomes))
}

async fn write(
    context: &BatchContext,
    tx: &mut LentTx,
    checkouts: &[Checkout],
    answers: &[(&crate::domain::idempotency::Scope, FirstAnswer)],
    now: DateTime<Utc>,
) -> Result<(), AttemptError> {
    if checkouts.is_empty() {
        return Ok(());
    }
    let connection = tx.connection();
    db::orders::insert_checkouts(connection, checkouts, now).await?;
    let events: Vec<_> = checkouts
        .iter()
        .map(|checkout| {
            (
                EventId::new(Uuid::now_v7()),
                OrderCreated::announcing(checkout),
            )
        })
        .collect();
    db::outbox::announce(connection, &events, now).await?;
    let carts: Vec<_> = checkouts
        .iter()
        .map(|checkout| checkout.group.cart_id)
        .collect();
    let converted = db::carts::convert(connection, &carts, now).await?;
    assert_eq!(
        converted,
        carts.len() as u64,
        "the carts were locked while they were active"
    );
    let expires_at = now + context.keep_answers_for;
    let written =
        db::idempotency::record_first_answers(connection, answers, now, expires_at).await?;
    if written == answers.len() as u64 {
        Ok(())
    } else {
        Err(AttemptError::KeyTaken)
    }
}

fn count_lines(metrics: &Metrics, checkouts: &[Checkout]) {
    let orders = checkouts.iter().flat_map(|checkout| &checkout.orders);
    for line in orders.flat_map(|order| &order.lines) {
        let outcome = match line.rejection.map(|rejection| rejection.reason) {
            None => "reserved",
            Some(LineRejectionReason::InsufficientInventory) => "insufficient_inventory",
            Some(LineRejectionReason::ProductUnavailable) => "product_unavailable",
            Some(LineRejectionReason::VendorLicenseInvalid) => "vendor_license_invalid",
            Some(LineRejectionReason::VendorSubscriptionInactive) => "vendor_subscription_inactive",
            Some(LineRejectionReason::VendorStateMismatch) => "vendor_state_mismatch",
        };
        Metrics::count(&metrics.reservations, outcome);
    }
}
