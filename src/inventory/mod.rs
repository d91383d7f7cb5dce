//! Stock counts: a vendor says what is on its shelves, exactly once per Idempotency-Key.
//!
//! | piece | owns |
//! |---|---|
//! | [`command`] | a count as it is handed in, and the decisions about it |
//! | [`desk`] | carrying counts out: the tries at one, and the wait for rows that others hold |
//! | `script` | what is in its transaction |
//! | `failure` | what can go wrong and what is done then |
//! | [`start`] | opening the desk, with the pool that it uses |
//!
//! A count has a transaction of its own: it is as large as a batch of checkouts. It takes the vendor's turn
//! as late as it can, so that checkouts of the vendor wait only while its rows are locked and written, and
//! those of other vendors not at all.
//!
//! An unknown commit is resolved by trying again: an attempt looks the key up first, so what was committed
//! is found and repeated.

pub mod command;
pub mod desk;
mod failure;
mod script;
pub mod start;
