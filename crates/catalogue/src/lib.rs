//! The catalogue, which is everything in a shop before anybody buys: made up by `splitcart seed`, or taken
//! from files by `splitcart import`.
//!
//! | what | where |
//! |---|---|
//! | the two commands | [`cli`] |
//! | the rows of the demo catalogue (pure) | [`seed`] |
//! | the rules for an imported row (pure) | [`import_rules`] |
//! | SQL: bulk loading, staging, checking and applying imports | [`db`] |
//!
//! This crate knows the service's tables and rules; the service knows nothing of this crate.

pub mod cli;
pub mod db;
pub mod import_rules;
pub mod seed;
