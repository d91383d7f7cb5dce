//! SQL, and only here: plain functions on a connection. It decides no rule of the business.

pub mod bulk;
