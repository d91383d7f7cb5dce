//! Vendors' actors, and the transaction that is lent to them.
//!
//! | piece | owns |
//! |---|---|
//! | [`directory`] | which vendors have an actor: starting, restarting, putting away |
//! | [`actor`] | one vendor's actor: its turn goes to one transaction at a time |
//! | `turn` | a vendor's turn, and the place in its mailbox |
//! | [`activity`] | the turns that a vendor has given, and how they appear to the console |
//! | `lent_tx` | the transaction of a batch, with the turns that it holds |
//! | `unit_of_work` | one transaction from its begin to its commit |
//! | `reservation` | the statements that reserve stock in it |
//!
//! Checkouts, moves of orders and stock counts take turns of the same actors, so all of them run on one
//! arbiter.
//!
//! A vendor's actor buys first-in-first-out per vendor inside this process, one merged statement, and a
//! queue in memory that is bounded and measured. Correctness does not rest on it: that comes from the
//! conditional UPDATE and the CHECK constraint, across instances too.

pub mod activity;
pub mod actor;
pub mod directory;
pub(crate) mod lent_tx;
pub(crate) mod reservation;
pub mod turn;
pub(crate) mod unit_of_work;

use std::time::Duration;

use crate::{held_rows::HeldRows, metrics::Metrics};

use self::directory::VendorDirectory;

/// The options of vendors' actors.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The transactions that can take turns at a time.
    pub transactions_max: usize,
    /// The time after which an idle vendor's actor is put away.
    pub idle_max: Duration,
}

/// What everything that takes vendors' turns has in common.
#[derive(Clone, Debug)]
pub struct Vendors {
    /// The actors.
    pub directory: VendorDirectory,
    /// The rows that transactions of others hold.
    pub(crate) held_rows: HeldRows,
    pub metrics: Metrics,
}

impl Vendors {
    /// Must be called on the arbiter where the actors are to run.
    pub fn open(options: Options, metrics: &Metrics) -> Self {
        let directory = VendorDirectory::new(options.transactions_max, metrics.clone());
        actix_rt::spawn(directory.clone().put_away_idle_actors(options.idle_max));
        Self {
            directory,
            held_rows: HeldRows::new(metrics.clone()),
            metrics: metrics.clone(),
        }
    }
}
