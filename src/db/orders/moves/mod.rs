//! Moves of orders: locking them, reading what a move depends on, and writing what it has changed, for any
//! number of orders in a fixed number of statements.
//!
//! The group is locked with its order, because its figures are the sums over all its orders.

mod lock;
mod write;

pub use lock::{Asked, Held, Locked, LockedGroup, find_discounts, lock};
pub use write::{GroupChange, LineChange, Written, write};
