//! The public HTTP interface: thin. No rule is decided here.
//!
//! | piece | file |
//! |---|---|
//! | all routes | [`routes`], their paths: [`paths`] |
//! | every error code, its status and its envelope | [`error`] |
//! | authentication and the gates | [`auth`]; tokens: [`token`] |
//! | reading bodies and queries, all problems at once | [`body`], [`json`], [`query`] |
//! | a request that is carried out once per Idempotency-Key | [`keyed`], [`idempotent`] |
//! | the state of a thread, reading from and writing to PostgreSQL | [`state`], [`reads`], [`writes`], made from [`options`] |
//! | requests and answers | [`bodies`] |
//! | the contract for programs and people | [`openapi`] |
//! | request ids, the canonical log line, spans | [`trace`], `request_line`, `request_trace` |
//! | the listener, its connections and bodies | [`server`], [`listener`], [`connection`], [`answer_body`], [`tls`] |
//! | rate limits | [`rate_limit`] |
//! | headers for browsers | [`cors`], [`security`] |
//! | headers that may appear only once | [`single_headers`] |
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
pub(crate) mod inventory;
pub mod json;
pub(crate) mod keyed;
pub(crate) mod listener;
mod live;
pub mod moves;
pub mod openapi;
pub(crate) mod options;
pub(crate) mod orders;
pub mod paths;
pub mod precondition;
pub mod query;
pub mod rate_limit;
pub(crate) mod reads;
mod request_line;
mod request_trace;
pub(crate) mod routes;
pub(crate) mod security;
pub(crate) mod server;
pub(crate) mod single_headers;
pub(crate) mod state;
mod target;
pub(crate) mod tls;
pub mod token;
pub(crate) mod trace;
pub mod watched_file;
pub(crate) mod webhooks;
pub(crate) mod writes;
