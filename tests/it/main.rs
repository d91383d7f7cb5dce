//! Integration tests: the real program over real HTTP, against a real PostgreSQL and Redis that are
//! private to this run.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "metrics are floats that count whole things, and few of them"
)]

mod support;

mod admission;
mod audit;
mod backlog;
mod bad_input;
mod cart_eligibility;
mod cart_get;
mod cart_promises;
mod cart_put;
mod cart_rules;
mod changed_tables;
mod checkout;
mod connections;
mod contract;
mod cors;
mod crashes;
mod crossing;
mod crowds;
mod demo;
mod draining;
mod embedded;
mod idempotency;
mod identity;
mod import;
mod isolation;
mod least_privilege;
mod loadtest;
mod log_reader;
mod logins;
mod misconfigurations;
mod odd_rows;
mod operations;
mod orders;
mod outbox_claims;
mod panics;
mod plans;
mod poison;
mod postgres_faults;
mod postgres_restart;
mod preview;
mod public_keys;
mod rate_limits;
mod readiness;
mod redis_check;
mod redis_faults;
mod relay;
mod repositories;
mod routes;
mod schema;
mod secrets;
mod seed;
mod session_settings;
mod shortage_policy;
mod silent_connections;
mod silent_reads;
mod start_checks;
mod stock_moved;
mod tls;
