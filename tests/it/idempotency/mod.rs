//! The promises of an Idempotency-Key when clients hang up, requests die, and Redis has lost, or never
//! had, its entries (PF-081).

mod cart_keys;
mod hang_ups;
mod incarnation;
mod memory;
#[cfg(feature = "faults")]
mod panics;
