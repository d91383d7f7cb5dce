//! A claim of a key: "a request is at work under this key", with a lease.

use crate::domain::idempotency::Fingerprint;

use super::redis_keys::Keys;

/// The right to work under a key, until the lease expires.
#[derive(Clone, Debug)]
pub struct Claim {
    pub(super) keys: Keys,
    /// Identifies this claim among those of other requests and processes.
    pub(super) owner: String,
    pub(super) fingerprint: Fingerprint,
}
