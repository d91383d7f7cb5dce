//! Vendors' actors, and the transaction that is lent to them.
//!
//! | piece | owns |
//! |---|---|
//! | [`actor`] | one vendor's turn: a reservation at a time |
//! | [`directory`] | which vendors have an actor, starting and putting them away |
//! | [`lent_tx`] | the transaction of a batch, and the turns that it has been given |
//!
//! What a vendor's actor buys is first-in-first-out per vendor inside this process, one merged
//! statement, and a queue in memory that is bounded and measured. Correctness does not rest on it:
//! it comes from the conditional UPDATE and the CHECK constraint, across instances too.

pub mod actor;
pub mod directory;
pub mod lent_tx;
