//! A unit of work: one transaction that may take vendors' turns, from its begin to its commit, every part
//! of it within a time limit of this process.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sqlx::PgPool;

use crate::{
    db, faults,
    held_rows::{HeldRows, Row},
    stages::laps::Laps,
};

use super::lent_tx::{COMMIT_SLOW_AFTER, CommitLimits, LentTx};

/// The means and the limits of units of work.
#[derive(Clone, Debug)]
pub(crate) struct UnitOfWork {
    pub pool: PgPool,
    pub held_rows: HeldRows,
    /// The time that the begin may take, the wait for a connection included.
    pub begin_wait_max: Duration,
    /// The time that everything between begin and commit may take.
    pub transaction_max: Duration,
    /// The time that the commit may take.
    pub commit_wait_max: Duration,
}

/// The reason for which a unit of work failed. Its transaction is rolled back, unless the commit's outcome
/// is unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed<E> {
    #[error(transparent)]
    Begin(db::Error),
    #[error("{0}")]
    Script(E),
    #[error("the transaction took longer than it may")]
    DeadlinePassed,
    #[error("the commit's outcome is unknown: {0}")]
    CommitUnknown(String),
    #[error("a panic, reported where it struck")]
    Panicked,
}

impl<E> Failed<E> {
    /// True if a commit may have been sent whose outcome is unknown.
    pub(crate) fn is_commit_unknown(&self) -> bool {
        // A panic may have struck after the commit was sent.
        matches!(self, Self::CommitUnknown(_) | Self::Panicked)
    }
}

/// The transaction of a script, and what the script has found out so far.
#[derive(Debug)]
pub(crate) struct Work {
    pub tx: LentTx,
    /// The deadline of the script.
    pub deadline: Instant,
    /// The stock that the transaction has locked, or is about to lock.
    pub stock: Vec<Row>,
}

impl UnitOfWork {
    /// Runs a script in a transaction and commits it. A panic is an error like any other here: it must not
    /// take along the callers that wait.
    pub(crate) async fn carry_out<T, E>(
        &self,
        script: impl AsyncFnOnce(&mut Work) -> Result<T, E>,
    ) -> Result<T, Failed<E>> {
        AssertUnwindSafe(self.carry_out_unguarded(script))
            .catch_unwind()
            .await
            .unwrap_or(Err(Failed::Panicked))
    }

    async fn carry_out_unguarded<T, E>(
        &self,
        script: impl AsyncFnOnce(&mut Work) -> Result<T, E>,
    ) -> Result<T, Failed<E>> {
        let deadline = Instant::now() + self.transaction_max;
        let begun = LentTx::begin(
            &self.pool,
            self.begin_wait_max,
            None,
            &self.held_rows,
            Laps::begin(),
        );
        let tx = begun.await.map_err(Failed::Begin)?;
        let mut work = Work {
            tx,
            deadline,
            stock: Vec::new(),
        };
        let scripted = tokio::time::timeout_at(deadline.into(), script(&mut work)).await;
        let Work { mut tx, stock, .. } = work;
        let scripted = match scripted {
            Ok(Ok(scripted)) => scripted,
            Ok(Err(error)) => {
                if tx.roll_back().await.is_ok() {
                    tx.give_back();
                } else {
                    self.held_rows.note(stock);
                }
                return Err(Failed::Script(error));
            }
            Err(_) => {
                // The connection is in the middle of a statement, and may be silent: it is closed. The
                // server may not notice for a while that the transaction was given up.
                drop(tx);
                self.held_rows.note(stock);
                db::pool::close_idle(&self.pool);
                return Err(Failed::DeadlinePassed);
            }
        };
        // The commit is not under the deadline: once it is sent, only its outcome counts.
        let limits = CommitLimits {
            slow_after: COMMIT_SLOW_AFTER,
            wait_max: self.commit_wait_max,
        };
        let when_slow = || self.held_rows.note(stock.iter().copied());
        if let Err(error) = tx.commit(limits, when_slow).await {
            self.held_rows.note(stock);
            db::pool::close_idle(&self.pool);
            return Err(Failed::CommitUnknown(error.to_string()));
        }
        faults::place("after_commit").await;
        Ok(scripted)
    }
}
