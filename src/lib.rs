//! splitcart: the checkout core of a B2B marketplace.
//!
//! A buyer's cart is frozen on the server, split by vendor at checkout, every line's stock is
//! reserved atomically with partial success, one order per vendor is created in **one** database
//! transaction, exactly once per Idempotency-Key, and announced through an outbox.
//!
//! The code map, from the top floor down; an arrow of dependency never runs upwards, and
//! `tests/tidy.rs` holds the floors apart:
//!
//! | floor | rooms |
//! |---|---|
//! | commands | [`cli`]: serve, migrate, token, embedded, openapi, errors, metrics; and it starts the tools of `crates/`: demo, seed, import, audit, loadtest |
//! | looks | `doctor`: what is not well around the service |
//! | the running service | [`app`]: start order, drain order |
//! | listeners | [`http`]: the public API · `ops`: health and metrics |
//! | services | [`checkout`] · [`orders`]: what becomes of them · [`expiry`]: the search for late ones · [`carts`] · [`idempotency`]: the Redis fast path · [`outbox`]: events to their sinks · `sweeper` · `gauges`: what is measured in PostgreSQL |
//! | turns | [`vendors`]: actors that give the turns, the transaction that is lent to them · `held_rows`: rows that others hold |
//! | group commit | [`batching`]: queues, and the members of each transaction |
//! | SQL | [`db`], and only there |
//! | rules | [`domain`]: no I/O, no async, no clock, no randomness |
//!
//! Beside the floors: [`config`], [`telemetry`], `log_floods`, `request_id`, `outages`, [`metrics`], [`stages`],
//! [`traces`], `redis_client`, `small_files`, `faults` and [`seed_ids`] (the ids of the demo catalogue).

pub mod app;
pub mod batching;
pub mod carts;
pub mod checkout;
pub mod cli;
pub mod compression;
pub mod config;
pub mod db;
mod doctor;
pub mod domain;
pub mod expiry;
mod faults;
mod gauges;
mod held_rows;
pub mod http;
pub mod idempotency;
pub mod inventory;
mod live_orders;
mod log_floods;
pub mod metrics;
mod ops;
pub mod orders;
mod outages;
pub mod outbox;
pub mod redis_client;
mod request_id;
pub mod seed_ids;
mod small_files;
pub mod stages;
mod sweeper;
pub mod telemetry;
pub mod traces;
pub mod vendors;
pub mod webhooks;
