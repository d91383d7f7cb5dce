//! Gauges that are measured in PostgreSQL, by tasks of their own: a scrape asks PostgreSQL nothing.
//!
//! | gauge | file |
//! |---|---|
//! | connections of the server, sessions that wait for locks | [`server`] |
//! | orders that wait for a decision | [`undecided`] |
//!
//! Those of the outbox are in `outbox::lag_gauges`, beside what they measure.

pub mod server;
pub mod undecided;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The Unix time in seconds.
fn unix_now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}

/// Waits, or less if the service is stopping.
async fn pause(time: Duration, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = stopping.changed() => {}
    }
}
