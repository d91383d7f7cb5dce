//! The checkout service: carries checkouts out in batches, and previews them.
//!
//! | piece | owns |
//! |---|---|
//! | [`command`] | the commands of the checkout desk, and its decisions |
//! | [`batch`] | the transactions: the only `begin` and `commit` of a checkout |
//! | [`vendors`] | vendors' actors, and the transaction that is lent to them |
//! | `held_rows` | rows that others hold, and the checkouts that wait for them |
//! | [`preview`] | a checkout that is not carried out |
//! | `loaded_carts` | carts with everything that their plans depend on, for checkouts and previews |
//! | [`start`] | starting and stopping all of it |
//!
//! The desk and its queue are [`crate::batching`]'s.

pub mod batch;
pub mod command;
pub(crate) mod held_rows;
mod loaded_carts;
pub mod preview;
pub mod start;
pub mod vendors;
