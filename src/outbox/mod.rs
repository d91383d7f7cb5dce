//! The outbox relay: publishes committed events to the broker, at least once.
//!
//! The relay knows claims, order, patience and blame; a sink ([`redis_stream`]) knows how events are
//! sent and what its answers mean ([`answers`]); [`sink_state`] is what operators are told.

pub mod answers;
pub mod gauges;
pub mod redis_check;
pub mod redis_stream;
pub mod relay;
pub mod sink_state;
