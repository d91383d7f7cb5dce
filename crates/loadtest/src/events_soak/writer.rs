//! Inserts events at a rate, as an instance that ends before it publishes them.

use std::time::Duration;

use splitcart::db;
use tokio::time::MissedTickBehavior;

use crate::db::soak;

/// Statements a second.
const STATEMENTS_PER_S: u32 = 20;

/// Writes until it is aborted.
pub(super) async fn write(url: String, events_per_s: u32) -> anyhow::Result<()> {
    let mut connection = db::pool::connect(&url.into()).await?;
    let each = i32::try_from(events_per_s / STATEMENTS_PER_S)?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / STATEMENTS_PER_S);
    // A pause of PostgreSQL is made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        soak::insert_events(&mut connection, each).await?;
    }
}
