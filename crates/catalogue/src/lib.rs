//! The catalogue: what is in a shop before anybody buys, made up (`splitcart seed`) or taken from files
//! (`splitcart import`).
//!
//! | what | where |
//! |---|---|
//! | the two commands | [`cli`] |
//! | the rows of the demo catalogue (pure) | [`seed`] |
//! | what an imported row may say (pure) | [`import_rules`] |
//! | SQL: bulk loading, staging, checking and applying imports | [`db`] |
//!
//! It knows the service's tables and rules; the service knows nothing of it.

pub mod cli;
pub mod db;
pub mod import_rules;
pub mod seed;
