//! Integration tests: the real program over real HTTP, against a real PostgreSQL and Redis that are
//! private to this run.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod support;

mod bad_input;
mod cart_eligibility;
mod cart_get;
mod cart_put;
mod cart_rules;
mod checkout;
mod identity;
mod operations;
mod routes;
mod schema;
