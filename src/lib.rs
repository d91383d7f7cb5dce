//! splitcart: the checkout core of a B2B marketplace.

pub mod actors;
pub mod app;
pub mod carts;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod embedded;
pub mod faults;
pub mod http;
pub mod idempotency;
pub mod metrics;
pub mod ops;
pub mod outbox;
pub mod seed;
pub mod sweeper;
pub mod telemetry;
