//! One attempt at a count: its only `begin` and `commit`. What happens in between is in `script`, what can
//! go wrong in `failure`.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::{
    db,
    domain::stock_count::CountedItem,
    faults,
    held_rows::Row,
    vendors::lent_tx::{CommitLimits, LentTx},
};

use super::{
    command::{CountStock, Decision},
    desk::CountContext,
    failure::AttemptError,
    script::{Script, Scripted, rows},
};

/// A commit is slow when it takes longer than this; the vendor's turn is given back then.
const COMMIT_SLOW_AFTER: Duration = Duration::from_millis(100);

/// The outcome of an attempt that did not fail.
pub(super) enum Outcome {
    /// With the items that were decided just now.
    Decided(Decision, Vec<CountedItem>),
    /// The count needs rows that others hold. Nothing was written.
    Held(Vec<Row>),
}

/// Carries a count out in one transaction. A panic is an error like any other here.
pub(super) async fn attempt(
    context: &CountContext,
    command: &CountStock,
) -> Result<Outcome, AttemptError> {
    let mut script = Script {
        context,
        command,
        needs: Vec::new(),
    };
    let carried_out = AssertUnwindSafe(carry_out(&mut script))
        .catch_unwind()
        .await;
    let outcome = carried_out.unwrap_or(Err(AttemptError::Panicked));
    if outcome.as_ref().is_err_and(AttemptError::is_silence) {
        // The server may not have noticed yet that the transaction was given up, and whatever has silenced
        // this connection may have silenced the idle ones.
        context.vendors.held_rows.note(rows(&script.needs));
        db::pool::close_idle(&context.pool);
    }
    outcome
}

async fn carry_out(script: &mut Script<'_>) -> Result<Outcome, AttemptError> {
    let context = script.context;
    let held_rows = &context.vendors.held_rows;
    let deadline = Instant::now() + context.transaction_limit;
    faults::place("stock_before_begin").await;
    let tx = LentTx::begin(&context.pool, context.begin_wait_max, None, held_rows).await;
    let mut tx = tx.map_err(AttemptError::Begin)?;
    let scripted = script.run(&mut tx, deadline);
    // A transaction that is dropped in the middle of a statement is rolled back with its connection.
    let scripted = tokio::time::timeout_at(deadline.into(), scripted).await;
    let outcome = match scripted.map_err(|_| AttemptError::DeadlinePassed)? {
        Ok(Scripted::Written { decision, items }) => {
            let limits = CommitLimits {
                slow_after: COMMIT_SLOW_AFTER,
                wait_max: context.commit_wait_max,
            };
            let when_slow = || held_rows.note(rows(&script.needs));
            let committed = tx.commit(limits, when_slow).await;
            committed.map_err(AttemptError::CommitUnknown)?;
            faults::place("stock_committed").await;
            return Ok(Outcome::Decided(decision, items));
        }
        Ok(Scripted::Decided(decision)) => Ok(Outcome::Decided(decision, Vec::new())),
        Ok(Scripted::Held(rows)) => {
            // Noted before the rows are let go of: the next batch must not run into them.
            held_rows.note(rows.iter().copied());
            Ok(Outcome::Held(rows))
        }
        Err(error) => Err(error),
    };
    if tx.roll_back().await.is_ok() {
        tx.give_back();
    }
    outcome
}
