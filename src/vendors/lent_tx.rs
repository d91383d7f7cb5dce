//! The open transaction of a batch, lent to vendors' actors by moving it.
//!
//! The transaction is never shared: it is moved, so the compiler knows who holds it, and only
//! `batch::attempt` may begin or commit one (`tests/tidy.rs`). Losing it (an error, a deadline, a panic, a
//! closed mailbox) rolls it back: there is no clean-up code. It carries the turns that vendors have given
//! to it, so that they are given back at the moment the transaction ends, whichever way that is.
//!
//! Turns are taken in ascending id of their vendors: see `domain::lock_order`.

use std::{pin::pin, time::Duration};

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use crate::{
    db,
    domain::ids::VendorStoreId,
    faults,
    held_rows::{HeldRows, OwnTransaction},
    stages::{Stage, laps::Laps},
};

use super::turn::Turn;

/// The time that a transaction may take to begin, the wait for a connection included. Its members, and
/// those that wait behind them, are to be answered within three seconds.
pub(crate) const BEGIN_MAX: Duration = Duration::from_secs(1);

/// A commit is slow when it takes longer than this. On a disk that nothing else waits for, it ends long
/// before.
pub(crate) const COMMIT_SLOW_AFTER: Duration = Duration::from_millis(100);

/// An open transaction, and the turns that it holds.
#[derive(Debug)]
pub(crate) struct LentTx {
    /// `None` only while the transaction is being dropped.
    connection: Option<PoolConnection<Postgres>>,
    /// The turns that it holds; their vendors ascend by id.
    turns: Vec<Turn>,
    began_at: DateTime<Utc>,
    laps: Laps,
    #[expect(
        dead_code,
        reason = "dropping it tells `HeldRows` that nothing is held any more"
    )]
    own: OwnTransaction,
}

/// The times for which a commit is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitLimits {
    /// After this time the vendors' turns are given back.
    pub slow_after: Duration,
    /// After this time the outcome of the commit is unknown.
    pub wait_max: Duration,
}

impl LentTx {
    /// Begins a transaction within `wait_max`, and registers it with `held_rows` as one of this process.
    pub(crate) async fn begin(
        pool: &PgPool,
        wait_max: Duration,
        lock_wait_max: Option<Duration>,
        held_rows: &HeldRows,
        laps: Laps,
    ) -> Result<Self, db::Error> {
        let opened = db::transaction::open(pool, wait_max, lock_wait_max).await?;
        laps.end(Stage::Begin, "begin");
        Ok(Self {
            connection: Some(opened.connection),
            turns: Vec::new(),
            // PostgreSQL keeps microseconds; an answer must show the same time when it is read back.
            began_at: opened.began_at.trunc_subsecs(6),
            laps,
            own: held_rows.own(opened.transaction_id),
        })
    }

    /// The time at which the transaction began, by PostgreSQL's clock: the time of everything in it.
    pub(crate) fn began_at(&self) -> DateTime<Utc> {
        self.began_at
    }

    /// Ends a lap of the attempt that this transaction belongs to.
    pub(crate) fn end_lap(&self, stage: Stage, name: &'static str) {
        self.laps.end(stage, name);
    }

    /// Commits and gives the connection back to its pool; a connection whose commit failed is closed. A
    /// commit that is slow does not keep the vendors' turns: `when_slow` is called, and they are given
    /// back.
    pub(crate) async fn commit(
        mut self,
        limits: CommitLimits,
        when_slow: impl FnOnce(),
    ) -> Result<(), db::Error> {
        let connection = self.connection.as_mut().expect("it is there until the end");
        let commit = async {
            db::transaction::commit_opened(connection).await?;
            faults::place("commit_unanswered").await;
            Ok(())
        };
        let committed = {
            let mut commit = pin!(db::in_time(limits.wait_max, "commit", commit));
            if let Ok(committed) = tokio::time::timeout(limits.slow_after, &mut commit).await {
                committed
            } else {
                when_slow();
                self.turns.clear();
                commit.await
            }
        };
        committed?;
        self.end_lap(Stage::Commit, "commit");
        self.connection = None;
        Ok(())
    }

    /// Rolls back and keeps the turns. The connection can be used again.
    pub(crate) async fn roll_back(&mut self) -> Result<(), db::Error> {
        db::transaction::roll_back_opened(self.connection()).await
    }

    /// Gives the connection back to its pool. It must be in no transaction any more.
    pub(crate) fn give_back(mut self) {
        self.connection = None;
    }

    /// The connection, for statements of this transaction.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is there until the end")
    }

    /// Keeps a vendor's turn until the transaction has ended.
    ///
    /// # Panics
    /// The vendor's id does not ascend. Turns taken in another order could form a cycle, and a cycle in
    /// mailboxes is a hang without an error.
    pub(super) fn keep(&mut self, turn: Turn) {
        let last = self.turns().next_back();
        assert!(
            last < Some(turn.vendor()),
            "vendors are visited in ascending id"
        );
        self.turns.push(turn);
    }

    /// The vendors whose turns it holds, in ascending id.
    pub(super) fn turns(&self) -> impl DoubleEndedIterator<Item = VendorStoreId> {
        self.turns.iter().map(Turn::vendor)
    }
}

impl Drop for LentTx {
    /// Closing the connection rolls back, whatever state it is in. Nothing is waited for, so a server
    /// that does not answer any more can't delay this. The turns are given back afterwards.
    fn drop(&mut self) {
        drop(self.connection.take().map(PoolConnection::detach));
    }
}
