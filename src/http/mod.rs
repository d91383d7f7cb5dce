//! The public HTTP interface: thin. No rule is decided here.
//!
//! | piece | file |
//! |---|---|
//! | all routes | [`routes`] |
//! | every error code, its status and its envelope | [`error`] |
//! | who is calling | [`auth`] |
//! | reading bodies, all problems at once | [`body`], [`json`] |
//! | a request that runs once per Idempotency-Key | [`idempotent`] |
//! | how a cart and a checkout look | [`cart_body`], [`checkout_body`] |
//! | the contract for programs and people | [`openapi`] |
//! | request ids, the canonical log line | [`trace`] |

pub mod auth;
pub mod body;
pub mod cart_body;
pub mod carts;
pub mod checkout;
pub mod checkout_body;
pub mod error;
pub mod idempotent;
pub mod json;
pub mod openapi;
pub mod routes;
pub mod trace;
pub mod worker;
