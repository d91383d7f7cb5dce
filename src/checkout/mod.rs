//! The checkout service: carries checkouts out in batches, and previews them.
//!
//! | piece | owns |
//! |---|---|
//! | [`batch`] | the transaction: the only `begin` and `commit` of a checkout |
//! | [`vendors`] | vendors' actors, and the transaction that is lent to them |
//! | [`held_rows`] | which rows others hold, and who waits for them |
//! | [`preview`] | what a checkout would come to, without carrying it out |
//! | `offer` | what carts can be bought at now, for both |
//!
//! The queue in front of them and the coordinator are [`crate::batching`]'s.

pub mod batch;
pub mod command;
pub mod held_rows;
mod offer;
pub mod preview;
pub mod start;
pub mod vendors;
