//! The fast path of idempotency: fingerprints, and claims and first answers in Redis.
//!
//! Redis saves time, nothing more: whatever it has lost, forgotten or never had room for, PostgreSQL
//! decides about a checkout or a cart PUT in its own transaction.

pub mod claims;
pub mod fingerprint;
pub mod incarnation;
mod keys;
mod releases;
mod scripts;
