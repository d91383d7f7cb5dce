//! splitcart: the checkout core of a B2B marketplace.

pub mod domain;
pub mod embedded;
