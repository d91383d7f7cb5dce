//! The outbox relay: publishes committed events to the broker, at least once.
//!
//! The rest of the service writes events (`db::outbox`) and never talks to the broker.
//!
//! | rule | file |
//! |---|---|
//! | when events are claimed and published, and which come first | [`relay`] |
//! | publishing claimed events, and what becomes of each | `publisher` |
//! | how an event is sent, and what the broker answered | [`redis_stream`] |
//! | which errors are the broker's, and which may be the event's | `broker_errors` |
//! | pauses between attempts | `backoff` |
//! | the state of the broker in the log, in metrics and in `/readyz` | [`sink_state`] |
//! | warnings about a Redis that may lose events | [`redis_concerns`] |
//! | gauges of what waits | [`lag_gauges`] |

mod backoff;
mod broker_errors;
pub mod lag_gauges;
mod publisher;
pub mod redis_concerns;
pub mod redis_stream;
pub mod relay;
pub mod sink_state;
