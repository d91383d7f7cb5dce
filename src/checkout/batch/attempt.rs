//! One attempt at a batch: the only `begin` and `commit` of a checkout. What happens in between is in
//! `script`, what can go wrong in `failure`.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::{
    db,
    domain::ids::ProductId,
    faults,
    stages::laps::Laps,
    vendors::lent_tx::{COMMIT_SLOW_AFTER, CommitLimits, LentTx},
};

use super::{
    BatchContext, CheckoutMember, causes,
    failure::{AttemptError, Cause, Failure},
    labels,
    outcome::Outcome,
    script::{Script, Scripted, Sequence},
    settled::Prepared,
};

/// Carries members out in one transaction. Returns one outcome per member, in the same order. A panic is an
/// error like any other here: it must not take the callers along. Without a `lock_wait_max`, statements
/// wait for rows as long as the pool allows.
pub(super) async fn attempt(
    context: &BatchContext,
    members: &[CheckoutMember],
    sequence: Sequence,
    lock_wait_max: Option<Duration>,
) -> Result<Vec<Outcome>, Failure> {
    let laps = Laps::begin();
    for member in members {
        let trip = &member.command.trip;
        trip.begin_attempt(member.queued_at, &laps, members.len());
    }
    let mut attempt = Attempt {
        context,
        laps,
        script: Script::new(context, members),
        moved: Vec::new(),
    };
    let carried_out = AssertUnwindSafe(attempt.carry_out(sequence, lock_wait_max));
    let error = match carried_out.catch_unwind().await {
        Ok(Ok(outcomes)) => return Ok(outcomes),
        Ok(Err(error)) => error,
        Err(_) => AttemptError::Panicked,
    };
    let failure = attempt.explain(error).await;
    attempt.laps.fail(failure.error.name());
    Err(failure)
}

struct Attempt<'a> {
    context: &'a BatchContext,
    laps: Laps,
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
            self.laps.clone(),
        )
        .await
        .map_err(AttemptError::Begin)?;
        self.script.tx = Some(tx);
        let scripted = self.script.run(sequence, deadline);
        let Ok(scripted) = tokio::time::timeout_at(deadline.into(), scripted).await else {
            // The connection is in the middle of a statement, and may be silent.
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
        // that never answers must keep neither this slot nor the vendors forever.
        let limits = CommitLimits {
            slow_after: COMMIT_SLOW_AFTER,
            wait_max: context.commit_wait_max,
        };
        let needs = &self.script.needs;
        let when_slow = || context.held_rows.note(needs.stock_rows());
        tx.commit(limits, when_slow)
            .await
            .map_err(|error| AttemptError::CommitUnknown(error.to_string()))?;
        faults::place("after_commit").await;
        if !prepared.events.is_empty() {
            // A relay that is behind finds them in the outbox when their claim has ended.
            drop(context.committed_events.try_send(prepared.events));
        }
        labels::count_lines(&context.metrics, &prepared.checkouts);
        // A member that was set aside counts where it is decided.
        let decided = prepared
            .outcomes
            .iter()
            .filter(|it| it.is_decided())
            .count();
        if decided > 0 {
            context.metrics.batch_size.observe(decided as f64);
        }
        let took_s = started.elapsed().as_secs_f64();
        context.metrics.batch_duration.observe(took_s);
        Ok(prepared.outcomes)
    }

    /// Rolls back and finds the members that are the cause of an error. What the failed transaction has
    /// held is free afterwards, or noted as held.
    async fn explain(&mut self, error: AttemptError) -> Failure {
        let mut failure = Failure {
            error,
            causes: vec![Cause::Unknown; self.script.members.len()],
        };
        if failure.error.is_silence() {
            // The server may not have noticed yet that the transaction was given up, and whatever has
            // silenced this connection may have silenced the idle ones.
            self.note_stock_as_held();
            db::pool::close_idle(&self.context.pool);
            // A connection that is still here is in the middle of a statement.
            self.script.tx = None;
        }
        let Some(mut tx) = self.script.tx.take() else {
            return failure;
        };
        if tx.roll_back().await.is_err() {
            self.note_stock_as_held();
            return failure;
        }
        let Script { members, needs, .. } = &self.script;
        if matches!(failure.error, AttemptError::StockMoved) {
            causes::find_moved(&self.moved, needs, &mut failure.causes);
        }
        if failure.error.is_busy() {
            let found =
                causes::find_held(self.context, &mut tx, members, needs, &mut failure.causes);
            match found.await {
                Ok(None) => {}
                Ok(Some(lock)) => {
                    self.context.metrics.batch_tables_locked.inc();
                    failure.error = AttemptError::TableLocked(lock);
                }
                // The connection may be in the middle of a statement.
                Err(_) => return failure,
            }
        }
        tx.give_back();
        failure
    }

    fn note_stock_as_held(&self) {
        self.context.held_rows.note(self.script.needs.stock_rows());
    }
}
