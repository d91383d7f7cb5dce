//! The open transaction of a batch, lent to vendor actors by moving it.
//!
//! It is never shared: who holds it is answered by the type checker, and only the parent module can
//! begin or commit. Losing it (an error, a deadline, a panic, a closed mailbox) rolls it back: there
//! is no clean-up code. It carries the turns that vendors have given to it, so that they are given
//! back at the moment the transaction ends, whichever way that is.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::sync::oneshot;

use crate::{db, domain::ids::VendorStoreId, faults};

use super::super::vendor_directory::Place;

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
}

impl LentTx {
    pub(super) async fn begin(pool: &PgPool, wait_max: Duration) -> Result<Self, db::Error> {
        let connection = Some(db::pool::open(pool, wait_max).await?);
        Ok(Self {
            connection,
            turns: Vec::new(),
        })
    }

    /// Commits and gives the connection back; one whose commit failed is closed.
    pub(super) async fn commit(mut self) -> Result<(), db::Error> {
        db::pool::commit_opened(self.connection()).await?;
        faults::place("commit_unanswered").await;
        self.connection = None;
        Ok(())
    }

    /// Undoes everything and gives the connection back: for a transaction that is given up by choice,
    /// and whose connection is worth keeping.
    pub(super) async fn roll_back(mut self) -> Result<(), db::Error> {
        db::pool::roll_back_opened(self.connection()).await?;
        self.connection = None;
        Ok(())
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
