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

pub(crate) mod answer_body;
pub(crate) mod auth;
pub mod bodies;
pub mod body;
pub(crate) mod body_limits;
pub mod carts;
pub mod checkout;
pub(crate) mod connection;
pub(crate) mod cors;
pub mod cursor;
pub mod error;
pub(crate) mod idempotent;
pub mod json;
pub(crate) mod keyed;
pub(crate) mod listener;
pub mod openapi;
pub(crate) mod options;
pub(crate) mod orders;
pub mod paths;
pub mod precondition;
pub mod query;
pub mod rate_limit;
pub(crate) mod reads;
pub(crate) mod routes;
pub(crate) mod security;
pub(crate) mod server;
pub(crate) mod single_headers;
pub(crate) mod state;
pub(crate) mod tls;
pub mod token;
pub(crate) mod trace;
pub mod watched_file;
