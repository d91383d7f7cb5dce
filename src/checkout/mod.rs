//! The checkout service: carries checkouts out in batches, and previews them.
//!
//! | piece | owns |
//! |---|---|
//! | [`command`] | the commands of the checkout desk, and its decisions |
//! | [`batch`] | the transactions: the only `begin` and `commit` of a checkout |
//! | [`preview`] | a checkout that is not carried out |
//! | `loaded_carts` | carts with everything that their plans depend on, for checkouts and previews |
//! | [`start`] | opening the desk |
//!
//! The desk and its queue are [`crate::batching`]'s, vendors' actors [`crate::vendors`]', and the memory of
//! rows that others hold `crate::held_rows`'.

pub mod batch;
pub mod command;
mod loaded_carts;
pub mod preview;
pub mod start;
