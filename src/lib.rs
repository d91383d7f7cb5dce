//! splitcart: the checkout core of a B2B marketplace.

pub mod config;
pub mod db;
pub mod domain;
pub mod embedded;
