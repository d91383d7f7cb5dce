//! The actors that carry a checkout, and the one transaction script that they serve.
//!
//! | piece | owns |
//! |---|---|
//! | [`checkout_batch`] | the transaction: the only `begin` and `commit` of a checkout |
//! | [`vendor_inventory`] | one vendor's turn: a reservation at a time |
//! | [`vendor_directory`] | which vendors have an actor, starting and putting them away |
//! | [`held_rows`] | which rows others hold, and who waits for them |
//! | [`preview`] | what a checkout would come to, without carrying it out |
//! | `offer` | what carts can be bought at now, for both |
//!
//! The queue in front of them and the coordinator are [`crate::batching`]'s.
//!
//! What a vendor's actor buys is first-in-first-out per vendor inside this process, one merged
//! statement, and a queue in memory that is bounded and measured. Correctness does not rest on it:
//! it comes from the conditional UPDATE and the CHECK constraint, across instances too.

pub mod checkout_batch;
pub mod command;
pub mod held_rows;
mod offer;
pub mod preview;
pub mod start;
pub mod vendor_directory;
pub mod vendor_inventory;
