//! The SQL of this crate, and nothing but SQL. Nothing begins or commits here.

pub mod bulk;
pub mod import;
