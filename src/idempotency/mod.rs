//! The fast path of idempotency: fingerprints, and claims and first answers in Redis.
//!
//! Redis saves time, nothing more: whatever it has lost or forgotten, PostgreSQL decides about a
//! checkout in the checkout's own transaction, and a cart PUT simply runs again.

pub mod claims;
pub mod fingerprint;
mod releases;
