//! Reads a Redis Stream.

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::Context;
use redis::{aio::MultiplexedConnection, streams::StreamRangeReply};
use tokio::time::{sleep, timeout};

use super::{BATCH, LOOK_MAX, PAUSE, Position, Table};
use crate::events_bench::brokers::STREAM;

pub(super) async fn consume(url: String, losses: Arc<AtomicU64>, mut table: Table) {
    let mut position = Position::<Option<String>>::new(losses);
    let mut connection = None;
    loop {
        position.check();
        let looked = timeout(
            LOOK_MAX,
            look(&url, &mut connection, &mut position, &mut table),
        );
        match looked.await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => sleep(PAUSE).await,
            Ok(Err(_)) | Err(_) => {
                connection = None;
                sleep(PAUSE).await;
            }
        }
    }
}

/// Reads the next entries; false if there are none.
async fn look(
    url: &str,
    connection: &mut Option<MultiplexedConnection>,
    position: &mut Position<Option<String>>,
    table: &mut Table,
) -> anyhow::Result<bool> {
    if connection.is_none() {
        let client = redis::Client::open(url)?;
        *connection = Some(client.get_multiplexed_async_connection().await?);
    }
    let connection = connection.as_mut().expect("it was made above");
    let from = position
        .at
        .as_ref()
        .map_or("-".to_owned(), |last| format!("({last}"));
    let entries: StreamRangeReply = redis::cmd("XRANGE")
        .arg(STREAM)
        .arg(from)
        .arg("+")
        .arg("COUNT")
        .arg(BATCH)
        .query_async(connection)
        .await?;
    let Some(last) = entries.ids.last().map(|entry| entry.id.clone()) else {
        return Ok(false);
    };
    let mut payloads = Vec::with_capacity(entries.ids.len());
    for entry in &entries.ids {
        let payload: Vec<u8> = entry.get("event").context("an entry without an event")?;
        payloads.push(payload);
    }
    table.add(payloads.iter().map(Vec::as_slice)).await?;
    position.at = Some(last);
    Ok(true)
}
