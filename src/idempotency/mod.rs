//! The fast path of idempotency: fingerprints, and claims and first answers in Redis.
//!
//! Redis saves time and decides nothing: PostgreSQL decides about a checkout or a cart PUT in its own
//! transaction, whatever Redis has lost, forgotten or never had room for.
//!
//! | rule | file |
//! |---|---|
//! | claiming a key, caching the first answer | [`redis_claims`], `claim` |
//! | renewing the lease of a claim: how often, and for how long | `lease_renewal` |
//! | what happens while Redis is slow or away | `redis_pause` |
//! | releasing claims that Redis could not release in time | `deferred_releases` |
//! | which database an answer in Redis is of | [`incarnation`] |
//! | when two requests are the same | [`fingerprint`] |
//! | names of keys in Redis | `redis_keys` |
//! | what Redis does atomically | `scripts` |

pub(crate) mod claim;
mod deferred_releases;
pub mod fingerprint;
mod hex;
pub mod incarnation;
mod lease_renewal;
pub mod redis_claims;
mod redis_keys;
mod redis_pause;
mod scripts;
