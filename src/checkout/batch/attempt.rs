//! One attempt at a batch: the only `begin` and `commit` of a checkout. What is in the transaction is
//! `script`'s.
//!
//! An attempt that fails says why, and for whom: which members need rows that somebody else holds, or
//! whose stock has moved. The turns of the failed transaction are kept until that is known, or the next
//! batch would run into the same row.

use std::{
    collections::{BTreeSet, HashSet},
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::{
    db::{self, Fault},
    domain::{ids::ProductId, order::Checkout, rejection::LineRejectionReason},
    faults,
    metrics::Metrics,
};

use super::{
    super::{
        command::Decision,
        held_rows::{LOOK_MAX, Row},
        vendors::{
            actor::ReserveError,
            lent_tx::{CommitLimits, LentTx},
        },
    },
    BatchContext, CheckoutMember,
    script::{Script, Scripted, Sequence},
    settled::Prepared,
};

/// From then on a commit is slow: on any disk that others are not waiting for, it has long ended.
const COMMIT_SLOW_AFTER: Duration = Duration::from_millis(100);

/// Why an attempt failed. Its transaction is rolled back, unless the commit's outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Begin(db::Error),
    #[error(transparent)]
    Statement(#[from] db::Error),
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    #[error("a whole table is locked: {0}")]
    TableLocked(db::Error),
    #[error("the commit's outcome is unknown: {0}")]
    Commit(String),
    #[error("the transaction took longer than it may")]
    DeadlinePassed,
    #[error("a panic, reported where it struck")]
    Panicked,
    #[error("another transaction has written one of the idempotency keys")]
    KeyTaken,
    #[error("stock was taken between reading and reserving it")]
    StockMoved,
}

/// What became of a member in an attempt that did not fail.
pub(super) enum Outcome {
    Decided(Decision),
    /// It needs rows that somebody else holds; nothing was written for it.
    Held(Vec<Row>),
    /// Together the members are more than one transaction should hold; nothing was written for it.
    TooMuch {
        /// How many lines it has.
        lines: usize,
    },
}

/// A failed attempt.
pub(super) struct Failure {
    pub error: AttemptError,
    /// By member: whether it is the cause, as far as is known, and the rows that it can't have.
    pub causes: Vec<Cause>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Unknown,
    /// It needs rows that somebody else holds.
    Held(Vec<Row>),
    /// Its idempotency key is in a transaction of somebody else, which shows only in trying.
    KeyHeld,
    /// It wants products whose stock has moved.
    StockMoved,
}

/// What is to be done about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Once more: what it failed for is over, or the causes are known and set aside.
    Again,
    /// One of them may be to blame, or each for itself.
    Apart,
    /// No member would fare better alone: their time is up, or all of it is locked.
    Refuse,
    /// There is no connection to be had.
    DatabaseIsAway,
}

impl AttemptError {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Begin(_) => Remedy::DatabaseIsAway,
            Self::Statement(error) => match error.fault() {
                Fault::Transient | Fault::Unreachable => Remedy::Again,
                Fault::Busy | Fault::Permanent => Remedy::Apart,
            },
            Self::Commit(_)
            | Self::KeyTaken
            | Self::StockMoved
            | Self::Reserve(ReserveError::NoAnswer) => Remedy::Again,
            Self::Panicked | Self::Reserve(ReserveError::ActorLost) => Remedy::Apart,
            Self::DeadlinePassed
            | Self::TableLocked(_)
            | Self::Reserve(ReserveError::DeadlinePassed) => Remedy::Refuse,
        }
    }

    /// Whether a commit may have been sent whose outcome we do not know.
    pub(super) fn is_commit_unknown(&self) -> bool {
        // A panic may have struck after the commit was sent.
        matches!(self, Self::Commit(_) | Self::Panicked)
    }

    /// Whether somebody else holds a row or a table that is needed.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Statement(error) if error.fault() == Fault::Busy)
    }
}

/// Carries members out in one transaction; one outcome per member, in the same order. A panic is an
/// error like any other here: it must not take the callers along. Without a `lock_wait_max` statements
/// wait for rows as the pool says.
pub(super) async fn attempt(
    context: &BatchContext,
    members: &[CheckoutMember],
    sequence: Sequence,
    lock_wait_max: Option<Duration>,
) -> Result<Vec<Outcome>, Failure> {
    let mut attempt = Attempt {
        context,
        script: Script::new(context, members),
        moved: Vec::new(),
    };
    let carried_out = AssertUnwindSafe(attempt.carry_out(sequence, lock_wait_max));
    let error = match carried_out.catch_unwind().await {
        Ok(Ok(outcomes)) => return Ok(outcomes),
        Ok(Err(error)) => error,
        Err(_) => AttemptError::Panicked,
    };
    Err(attempt.explain(error).await)
}

struct Attempt<'a> {
    context: &'a BatchContext,
    script: Script<'a>,
    /// Products whose stock has moved.
    moved: Vec<ProductId>,
}

impl Attempt<'_> {
    async fn carry_out(
        &mut self,
        sequence: Sequence,
        lock_wait_max: Option<Duration>,
    ) -> Result<Vec<Outcome>, AttemptError> {
        let context = self.context;
        let started = Instant::now();
        let deadline = started + context.transaction_limit;
        faults::place("before_begin").await;
        let tx = LentTx::begin(
            &context.pool,
            context.begin_wait_max,
            lock_wait_max,
            &context.held_rows,
        )
        .await
        .map_err(AttemptError::Begin)?;
        self.script.tx = Some(tx);
        let scripted = self.script.run(sequence, deadline);
        let Ok(scripted) = tokio::time::timeout_at(deadline.into(), scripted).await else {
            // It is in the middle of a statement, and may be silent.
            self.script.tx = None;
            return Err(AttemptError::DeadlinePassed);
        };
        match scripted? {
            Scripted::Prepared(prepared) => self.commit(prepared, started).await,
            Scripted::StockMoved { products } => {
                context.metrics.batch_stock_moved.inc();
                self.moved = products;
                Err(AttemptError::StockMoved)
            }
        }
    }

    async fn commit(
        &mut self,
        prepared: Prepared,
        started: Instant,
    ) -> Result<Vec<Outcome>, AttemptError> {
        let context = self.context;
        let tx = self.script.tx.take().expect("it came back from the script");
        // The commit is not under the deadline: once it is sent, only its outcome counts. But a server
        // that never answers must keep neither this slot nor the vendors for ever.
        let limits = CommitLimits {
            slow_after: COMMIT_SLOW_AFTER,
            wait_max: context.commit_wait_max,
        };
        let script = &self.script;
        let when_slow = || context.held_rows.note(script.reserved_rows());
        tx.commit(limits, when_slow)
            .await
            .map_err(|error| AttemptError::Commit(error.to_string()))?;
        faults::place("after_commit").await;
        if !prepared.events.is_empty() {
            // A relay that is behind finds them in the outbox when their claim has ended.
            drop(context.committed_events.try_send(prepared.events));
        }
        count_lines(&context.metrics, &prepared.checkouts);
        let size = self.script.members.len();
        context.metrics.batch_size.observe(size as f64);
        let took_s = started.elapsed().as_secs_f64();
        context.metrics.batch_duration.observe(took_s);
        Ok(prepared.outcomes)
    }

    /// Whom an error concerns. What the failed transaction has held is free afterwards, or known as
    /// held.
    async fn explain(&mut self, error: AttemptError) -> Failure {
        let mut failure = Failure {
            error,
            causes: vec![Cause::Unknown; self.script.members.len()],
        };
        let is_silent = matches!(
            failure.error,
            AttemptError::DeadlinePassed
                | AttemptError::Reserve(ReserveError::NoAnswer)
                | AttemptError::Commit(_)
        );
        if is_silent {
            // The server may not have noticed yet that we have given up, and whatever has silenced this
            // connection may have silenced those that rest.
            self.context.held_rows.note(self.script.reserved_rows());
            db::pool::close_idle(&self.context.pool);
            // If it is here, it is in the middle of a statement.
            self.script.tx = None;
        }
        let Some(mut tx) = self.script.tx.take() else {
            return failure;
        };
        if tx.roll_back().await.is_err() {
            self.context.held_rows.note(self.script.reserved_rows());
            return failure;
        }
        if matches!(failure.error, AttemptError::StockMoved) {
            self.find_whose_stock_moved(&mut failure.causes);
        }
        if failure.error.is_busy() {
            match self.find_held(&mut tx, &mut failure.causes).await {
                Ok(()) => {}
                Err(error) if error.fault() == Fault::Busy => {
                    failure.error = AttemptError::TableLocked(error);
                }
                // It may be in the middle of a statement.
                Err(_) => return failure,
            }
        }
        tx.give_back();
        failure
    }

    fn find_whose_stock_moved(&self, causes: &mut [Cause]) {
        for (cause, needs) in causes.iter_mut().zip(&self.script.needs) {
            let is_moved = |row: &Row| matches!(row, Row::Stock(stock) if self.moved.contains(&stock.product_id));
            if needs.iter().any(is_moved) {
                *cause = Cause::StockMoved;
            }
        }
    }

    async fn find_held(&self, tx: &mut LentTx, causes: &mut [Cause]) -> Result<(), db::Error> {
        let (held_rows, needs) = (&self.context.held_rows, &self.script.needs);
        let rows: BTreeSet<_> = needs.iter().flatten().copied().collect();
        let look = held_rows.look(tx.connection(), &rows);
        let held = db::in_time(LOOK_MAX, "look for held rows", look).await?;
        held_rows.note(held.iter().copied());
        let held: HashSet<_> = held.into_iter().collect();
        for (cause, needs) in causes.iter_mut().zip(needs) {
            let rows = needs.iter().filter(|row| held.contains(row));
            let rows: Vec<_> = rows.copied().collect();
            if !rows.is_empty() {
                *cause = Cause::Held(rows);
            }
        }
        if held.is_empty() {
            self.find_held_keys(tx, causes).await?;
        }
        Ok(())
    }

    async fn find_held_keys(&self, tx: &mut LentTx, causes: &mut [Cause]) -> Result<(), db::Error> {
        let members = self.script.members.iter();
        let scopes: Vec<_> = members.map(|member| &member.command.scope).collect();
        let look = db::idempotency::find_held(tx.connection(), &scopes);
        for index in db::in_time(LOOK_MAX, "look for held keys", look).await? {
            causes[index] = Cause::KeyHeld;
        }
        Ok(())
    }
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
