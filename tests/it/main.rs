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
mod body_budget;
mod bought_stays_readable;
mod broken_http;
mod cart_eligibility;
mod cart_get;
mod cart_preconditions;
mod cart_promises;
mod cart_put;
mod cart_rules;
mod changed_tables;
mod checkout;
mod connection_limits;
mod connections;
mod console;
mod consumer;
mod contract;
mod cors;
mod crashes;
mod crowds;
mod debug_pages;
mod demo;
mod doctor;
mod draining;
mod embedded;
mod failover;
mod folded_texts;
mod followers;
mod foreign_carts;
mod health_command;
mod http2_limits;
mod idempotency;
mod identity;
mod import;
mod inventory;
mod isolation;
mod late_orders;
mod least_privilege;
mod live_orders;
mod loadtest;
mod lock_order;
mod log_lines;
mod log_reader;
mod logins;
mod low_stock;
mod misconfigurations;
mod model;
mod moves;
mod nothing_to_collect;
mod one_bad_checkout;
mod operations;
mod orders;
mod outages;
mod outbox_claims;
mod outbox_order;
mod panics;
mod pgbouncer;
mod postgres_faults;
mod postgres_restart;
mod preview;
mod prometheus;
mod public_keys;
mod purchase_limits;
mod query_plans;
mod quote;
mod rate_limits;
mod readiness;
mod redis_check;
mod redis_estate;
mod redis_faults;
mod relay;
mod request_line;
mod rolling_restart;
mod routes;
mod rows_written_by_hand;
mod schema;
mod secrets;
mod seed;
mod session_settings;
mod shortage_policy;
mod silent_connections;
mod silent_reads;
mod single_headers;
mod sinks;
mod stages;
mod start_checks;
mod statements;
mod stock_moved;
mod tls;
mod token;
mod tokens;
mod tools;
mod traceparent;
mod traces;
mod unfinished_bodies;
mod unread_answers;
mod webhooks;
