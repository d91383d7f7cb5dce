//! Vendors' actors, and the transaction that is lent to them.
//!
//! | piece | owns |
//! |---|---|
//! | [`directory`] | which vendors have an actor: starting, restarting, putting away |
//! | [`actor`] | one vendor's actor: its turn goes to one transaction at a time |
//! | `turn` | a vendor's turn, and the place in its mailbox |
//! | `lent_tx` | the transaction of a batch, with the turns that it holds |
//! | `reservation` | the statements that reserve stock in it |
//!
//! A vendor's actor buys first-in-first-out per vendor inside this process, one merged statement, and a
//! queue in memory that is bounded and measured. Correctness does not rest on it: that comes from the
//! conditional UPDATE and the CHECK constraint, across instances too.

pub mod actor;
pub mod directory;
pub(crate) mod lent_tx;
pub(crate) mod reservation;
pub mod turn;
