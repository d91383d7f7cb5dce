//! The orders service: what becomes of an order after its checkout. Decisions, fulfilments, cancellations
//! and expiries are moves (`domain::order_moves`), carried out in batches as checkouts are.
//!
//! | piece | owns |
//! |---|---|
//! | [`command`] | the commands of the desk, and its decisions |
//! | [`batch`] | a batch in a slot and in the slow lane: what is tried again, and who is set aside |
//! | `attempt` | one transaction, and the errors it can end with |
//! | `inputs` | what the database says about the commands: orders, callers, keys |
//! | `ledger` | the orders of a batch, changed by one command after the other |
//! | [`start`] | opening the desk |
//!
//! In a slot a move never waits for a row inside its transaction. Orders, and then stock, are locked by
//! skipping what others hold; the members that need it are set aside, and the others go on. The turns of
//! vendors keep the checkouts of this process away from the stock meanwhile. An order that stays held is
//! waited for in the slow lane.

mod attempt;
pub mod batch;
pub mod command;
mod inputs;
mod ledger;
pub mod start;
