//! What an Idempotency-Key promises when clients hang up, requests die, and Redis has lost, or never
//! had, what it should know (PF-081).

mod cart_keys;
mod hang_ups;
mod incarnation;
mod memory;
#[cfg(feature = "faults")]
mod panics;
