//! The outbox: publishes committed events to sinks, at least once.
//!
//! The rest of the service writes events (`db::outbox`) and never talks to a sink. The primary sink is served
//! by the [`relay`], from memory; every other one by a [`follower`], which reads the log of events.
//!
//! | rule | file |
//! |---|---|
//! | which sinks there are, and what serves each | [`start`] |
//! | when events are claimed and published to the primary sink, and which come first | [`relay`] |
//! | publishing claimed events, and what becomes of each | `publisher` |
//! | publishing the log of events to another sink | [`follower`] |
//! | which events may be sent at once | [`waves`] |
//! | the place in the log of events that the primary sink has not taken | `sequencer` |
//! | whether the events or the sink are to blame for what did not pass | `delivery` |
//! | how events are sent, and what a sink answered | [`sink`] |
//! | the attributes of an event for brokers that have headers | [`cloud_events`] |
//! | pauses between attempts | `backoff` |
//! | the JSON Schemas of what is published | [`schemas`] |
//! | the state of a sink in the log, in metrics and in `/readyz` | [`sink_state`] |
//! | gauges of what waits | `lag_gauges` |

mod backoff;
pub mod cloud_events;
mod delivery;
pub mod follower;
mod lag_gauges;
mod publisher;
pub mod relay;
pub mod schemas;
mod sequencer;
pub mod sink;
pub mod sink_state;
pub mod start;
pub mod waves;
