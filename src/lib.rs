//! splitcart: the checkout core of a B2B marketplace.

pub mod cli;
pub mod db;
pub mod embedded;
pub mod seed;
