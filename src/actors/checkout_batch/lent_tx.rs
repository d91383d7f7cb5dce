//! The open transaction of a batch, lent to vendor actors by moving it.
//!
//! It is never shared: who holds it is answered by the type checker, and only the parent module can
//! begin or commit. Losing it (an error, a deadline, a panic, a closed mailbox) rolls it back; there
//! is no clean-up code. It carries the turns that vendors have given to it, so that they are given
//! back at the moment the transaction ends, whichever way that is.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::oneshot;

use crate::db;

/// A vendor's turn: while it is held, the vendor's actor takes no other reservation. Dropping it
/// gives it back.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "dropping it is its whole use")] oneshot::Sender<()>);

impl Turn {
    /// A turn, and what resolves when it has been given back.
    pub fn give() -> (Self, oneshot::Receiver<()>) {
        let (turn, given_back) = oneshot::channel();
        (Self(turn), given_back)
    }
}

/// See the module.
#[derive(Debug)]
pub struct LentTx {
    // Before the turns: fields are dropped in order, and the rollback must be under way when the
    // next transaction gets the turn.
    transaction: Transaction<'static, Postgres>,
    turns: Vec<Turn>,
}

impl LentTx {
    pub(super) async fn begin(pool: &PgPool) -> Result<Self, db::Error> {
        let transaction = db::pool::begin(pool).await?;
        Ok(Self {
            transaction,
            turns: Vec::new(),
        })
    }

    pub(super) async fn commit(self) -> Result<(), db::Error> {
        let Self { transaction, turns } = self;
        let result = db::pool::commit(transaction).await;
        drop(turns);
        result
    }

    /// The connection, for statements of this transaction.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Keeps a vendor's turn until the transaction has ended.
    pub fn keep(&mut self, turn: Turn) {
        self.turns.push(turn);
    }
}
