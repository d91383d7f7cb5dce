//! One attempt at a batch: the only `begin` and `commit` of a checkout. What is in the transaction is
//! `prepare`'s.

use std::{panic::AssertUnwindSafe, time::Instant};

use futures_util::FutureExt;

use crate::{
    db::{self, Fault},
    domain::{order::Checkout, rejection::LineRejectionReason},
    faults,
    metrics::Metrics,
};

use super::{
    super::{
        command::{CheckoutCommand, Decision},
        vendor_inventory::ReserveError,
    },
    BatchContext,
    lent_tx::LentTx,
    prepare::{Order, Outcome, Prepared, prepare},
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
    let deadline = started + context.transaction_limit;
    let Prepared {
        tx,
        decisions,
        checkouts,
        events,
    } = match prepare_in(context, commands, Order::WritesFirst, deadline).await? {
        Outcome::Prepared(prepared) => prepared,
        Outcome::StockMoved(tx) => {
            context.metrics.batch_stock_moved.inc();
            tx.roll_back().await?;
            match prepare_in(context, commands, Order::StockFirst, deadline).await? {
                Outcome::Prepared(prepared) => prepared,
                Outcome::StockMoved(_) => unreachable!("nothing was foreseen"),
            }
        }
    };
    // The commit is not under the deadline: once it is sent, only its outcome counts. But a server
    // that never answers must not keep this slot for ever.
    match tokio::time::timeout(context.transaction_limit, tx.commit()).await {
        Ok(committed) => committed.map_err(|error| AttemptError::Commit(error.to_string()))?,
        Err(_) => return Err(AttemptError::Commit("no answer in time".to_owned())),
    }
    faults::place("after_commit").await;
    if !events.is_empty() {
        // A relay that is behind finds them in the outbox when their claim has ended.
        drop(context.committed_events.try_send(events));
    }
    count_lines(&context.metrics, &checkouts);
    context
        .metrics
        .batch_duration
        .observe(started.elapsed().as_secs_f64());
    Ok(decisions)
}

async fn prepare_in(
    context: &BatchContext,
    commands: &[&CheckoutCommand],
    order: Order,
    deadline: Instant,
) -> Result<Outcome, AttemptError> {
    faults::place("before_begin").await;
    let tx = LentTx::begin(&context.pool, context.transaction_limit)
        .await
        .map_err(AttemptError::Begin)?;
    let prepared = prepare(context, tx, commands, order, deadline);
    tokio::time::timeout_at(deadline.into(), prepared)
        .await
        .unwrap_or(Err(AttemptError::DeadlinePassed))
}

fn count_lines(metrics: &Metrics, checkouts: &[Checkout]) {
    let orders = checkouts.iter().flat_map(|checkout| &checkout.orders);
    for line in orders.flat_map(|order| &order.lines) {
        let outcome = match line.rejection.map(|rejection| rejection.reason) {
            None => "reserved",
            // Its other part is reserved, and counts as that.
            _ if line.rejection.is_some_and(|it| it.reserved_qty.is_some()) => "filled_rest",
            Some(LineRejectionReason::InsufficientInventory) => "insufficient_inventory",
            Some(LineRejectionReason::ProductUnavailable) => "product_unavailable",
            Some(LineRejectionReason::VendorLicenseInvalid) => "vendor_license_invalid",
            Some(LineRejectionReason::VendorSubscriptionInactive) => "vendor_subscription_inactive",
            Some(LineRejectionReason::VendorStateMismatch) => "vendor_state_mismatch",
            Some(LineRejectionReason::VendorOrderIncomplete) => "vendor_order_incomplete",
        };
        Metrics::count(&metrics.reservations, outcome);
    }
}
