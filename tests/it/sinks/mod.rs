//! Sinks against their real servers, which are killed, frozen, emptied and filled meanwhile.

#[cfg(feature = "kafka")]
mod kafka;
mod log;
mod nats;
mod nats_refuses;
mod settings;
mod wait_aof;
mod world;
