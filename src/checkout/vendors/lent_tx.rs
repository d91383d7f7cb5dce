//! The open transaction of a batch, lent to vendor actors by moving it.
//!
//! It is never shared: who holds it is answered by the type checker, and only `batch` may begin or
//! commit (`tests/tidy.rs`). Losing it (an error, a deadline, a panic, a closed mailbox) rolls it back: there
//! is no clean-up code. It carries the turns that vendors have given to it, so that they are given
//! back at the moment the transaction ends, whichever way that is.

use std::{pin::pin, time::Duration};

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::sync::oneshot;

use crate::{db, domain::ids::VendorStoreId, faults};

use super::{
    super::held_rows::{HeldRows, OwnTransaction},
    directory::Place,
};

/// A vendor's turn: while it is held, the vendor's actor takes no other reservation and is not put
/// away. Dropping it gives it back.
#[derive(Debug)]
pub struct Turn {
    #[expect(dead_code, reason = "dropping it is its whole use")]
    given_back: oneshot::Sender<()>,
    /// Given up last: an actor that still waits for its turn must not be put away.
    place: Place,
}

impl Turn {
    /// A turn, and what resolves when it has been given back.
    pub fn give(place: Place) -> (Self, oneshot::Receiver<()>) {
        let (given_back, resolves) = oneshot::channel();
        (Self { given_back, place }, resolves)
    }

    /// Whose turn it is.
    pub fn vendor(&self) -> VendorStoreId {
        self.place.vendor()
    }
}

/// See the module.
#[derive(Debug)]
pub struct LentTx {
    /// `None` only while it is being dropped.
    connection: Option<PoolConnection<Postgres>>,
    /// In the order in which they were given.
    turns: Vec<Turn>,
    began_at: DateTime<Utc>,
    #[expect(dead_code, reason = "dropping it says that nothing is held any more")]
    own: OwnTransaction,
}

/// How long a commit is waited for.
#[derive(Clone, Copy, Debug)]
pub(in crate::checkout) struct CommitLimits {
    /// From then on the vendors' turns are not kept for it.
    pub slow_after: Duration,
    /// Then its outcome is unknown.
    pub wait_max: Duration,
}

impl LentTx {
    /// Begins within `wait_max`; rows that it holds are known as ours.
    pub(in crate::checkout) async fn begin(
        pool: &PgPool,
        wait_max: Duration,
        lock_wait_max: Option<Duration>,
        held_rows: &HeldRows,
    ) -> Result<Self, db::Error> {
        let opened = db::transaction::open(pool, wait_max, lock_wait_max).await?;
        Ok(Self {
            connection: Some(opened.connection),
            turns: Vec::new(),
            // PostgreSQL keeps microseconds; an answer must show the same time when it is read back.
            began_at: opened.began_at.trunc_subsecs(6),
            own: held_rows.own(opened.transaction_id),
        })
    }

    /// When it began, by PostgreSQL's clock: the time of everything in it.
    pub(in crate::checkout) fn began_at(&self) -> DateTime<Utc> {
        self.began_at
    }

    /// Commits and gives the connection back; one whose commit failed is closed. A commit that is slow
    /// does not keep the vendors' turns: `when_slow` is told, and they are given back.
    pub(in crate::checkout) async fn commit(
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
        self.connection = None;
        Ok(())
    }

    /// Undoes everything; the turns are kept, and the connection is worth keeping.
    pub(in crate::checkout) async fn roll_back(&mut self) -> Result<(), db::Error> {
        db::transaction::roll_back_opened(self.connection()).await
    }

    /// Gives the connection back to its pool: it is in no transaction any more.
    pub(in crate::checkout) fn give_back(mut self) {
        self.connection = None;
    }

    /// The connection, for statements of this transaction.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is there until the end")
    }

    /// Keeps a vendor's turn until the transaction has ended.
    ///
    /// # Panics
    /// The vendor's id does not ascend: turns taken in another order could form a cycle, and a cycle
    /// that stands in mailboxes is a hang without an error.
    pub fn keep(&mut self, turn: Turn) {
        let last = self.turns().next_back();
        assert!(
            last < Some(turn.vendor()),
            "vendors are visited in ascending id"
        );
        self.turns.push(turn);
    }

    /// The vendors whose turn it has, in ascending id.
    pub fn turns(&self) -> impl DoubleEndedIterator<Item = VendorStoreId> {
        self.turns.iter().map(Turn::vendor)
    }
}

impl Drop for LentTx {
    /// Closing the connection is what rolls back, whatever state it is in: nothing is waited for,
    /// and a server that does not answer any more can't keep us. The turns are given back after it.
    fn drop(&mut self) {
        drop(self.connection.take().map(PoolConnection::detach));
    }
}
