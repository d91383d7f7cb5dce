//! The outbox relay: publishes committed events to the broker, at least once.

pub mod redis_stream;
pub mod relay;
