//! The public HTTP interface: thin. No rule is decided here.
//!
//! | piece | file |
//! |---|---|
//! | all routes | [`routes`] |
//! | every error code, its status and its envelope | [`error`] |
//! | who is calling | [`auth`]; whether a token is ours: [`token`] |
//! | reading bodies and queries, all problems at once | [`body`], [`json`], [`query`] |
//! | a request that runs once per Idempotency-Key | [`idempotent`] |
//! | how carts, checkouts and orders look | [`bodies`] |
//! | the contract for programs and people | [`openapi`] |
//! | request ids, the canonical log line | [`trace`] |
//! | the listener itself, and what is around every request | [`server`], [`listener`], [`connection`], [`answer_body`], [`tls`] |
//! | who sends too much | [`rate_limit`] |
//! | what browsers are told | [`cors`], [`security`] |
//! | headers that may stand once | [`single_headers`] |
//! | keys and certificates that may be replaced | [`watched_file`] |

pub mod answer_body;
pub mod auth;
pub mod bodies;
pub mod body;
pub mod carts;
pub mod checkout;
pub mod connection;
pub mod cors;
pub mod cursor;
pub mod error;
pub mod idempotent;
pub mod json;
pub mod listener;
pub mod openapi;
pub mod orders;
pub mod paths;
pub mod precondition;
pub mod query;
pub mod rate_limit;
pub mod routes;
pub mod security;
pub mod server;
pub mod single_headers;
pub mod state;
pub mod tls;
pub mod token;
pub mod trace;
pub mod watched_file;
