//! All SQL, and nothing but SQL: plain functions on `&mut PgConnection`.
//!
//! A function that writes never begins or commits: the owner of the unit of work does. Sets, not
//! loops: a function takes slices and sends a fixed number of statements however long they are.
//! Rows are locked in ascending id, always.

pub mod audit;
pub mod carts;
pub mod catalog;
pub mod error;
mod folding;
pub mod held;
pub mod idempotency;
pub mod incarnation;
pub mod inventory;
mod logins;
pub mod migrations;
pub mod orders;
pub mod outbox;
pub mod pool;
pub mod recycling;
pub mod roles;
pub mod server;
pub mod stores;
pub mod transaction;
mod within;

pub use error::{Error, Fault};
pub use within::{in_time, within};

/// Rows turned on their side, for `unnest`.
fn column<Row, Value>(rows: &[Row], value: impl Fn(&Row) -> Value) -> Vec<Value> {
    rows.iter().map(value).collect()
}
