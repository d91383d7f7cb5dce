//! All SQL, and nothing but SQL: plain functions on `&mut PgConnection`.
//!
//! A function that writes never begins or commits a transaction; the owner of the unit of work does.
//! Functions take slices and send a fixed number of statements, however long the slices are. Rows are
//! locked in ascending id, always.
//!
//! | rule | file |
//! |---|---|
//! | what a failed statement means to its caller, which SQLSTATEs can be retried | [`error`] |
//! | how many statements have failed, by kind | `error_counts` |
//! | connections | [`pool`], `lending`, `stale_connections`, `login_backoff` |
//! | several hosts, of which one is the primary | `address`, `primary` |
//! | settings of sessions, or of transactions behind a pooler | `session_settings`, `pooled` |
//! | a pooler that contradicts the settings | [`pooler_check`] |
//! | how transactions begin and end | [`transaction`] |
//! | time limits of this process, for when PostgreSQL's own don't work | `time_limit` |
//! | the statement that decides about stock; counts of stock | [`inventory`] |
//! | which rows other transactions hold | `held` |
//! | which whole tables they lock | `locked_tables` |
//! | names, stock and newest orders of vendors, for the console | [`hot_vendors`] |
//! | first answers | [`idempotency`], [`carts`], [`inventory`], `stored_answers` |
//! | endpoints of webhooks and their deliveries | [`webhooks`] |
//! | the rights of the role that serves | [`roles`] |
//! | what must be true of the stored data | [`audit`] |

mod address;
pub mod audit;
pub mod carts;
pub mod catalog;
pub mod error;
mod error_counts;
pub(crate) mod held;
pub mod hot_vendors;
pub mod idempotency;
pub mod incarnation;
pub mod inventory;
mod lending;
pub(crate) mod locked_tables;
mod login_backoff;
pub mod migrations;
pub mod orders;
pub mod outbox;
pub mod pool;
mod pooled;
pub mod pooler_check;
mod primary;
pub mod roles;
pub mod server;
pub mod server_state;
mod session_settings;
pub(crate) mod stale_connections;
mod stored_answers;
pub mod stores;
mod time_limit;
pub mod transaction;
pub mod webhooks;

pub use error::{Error, Fault};
pub use error_counts::error_counts;
pub use time_limit::{glance_within, in_time, within};

/// Collects one column of rows, for `unnest`.
fn column<Row, Value>(rows: &[Row], value: impl Fn(&Row) -> Value) -> Vec<Value> {
    rows.iter().map(value).collect()
}
