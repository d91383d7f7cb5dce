//! Reads a stream of NATS JetStream.

use std::sync::{Arc, atomic::AtomicU64};

use async_nats::jetstream::{
    self, Context,
    consumer::{AckPolicy, DeliverPolicy, pull},
};
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use super::{BATCH, LOOK_MAX, PAUSE, Position, Table};

const STREAM: &str = "splitcart";

pub(super) async fn consume(url: String, losses: Arc<AtomicU64>, mut table: Table) {
    let mut position = Position::<u64>::new(losses);
    let mut jetstream = None;
    loop {
        position.check();
        let looked = timeout(
            LOOK_MAX,
            look(&url, &mut jetstream, &mut position, &mut table),
        );
        match looked.await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => sleep(PAUSE).await,
            Ok(Err(_)) | Err(_) => {
                jetstream = None;
                sleep(PAUSE).await;
            }
        }
    }
}

/// Reads the next messages; false if there are none.
async fn look(
    url: &str,
    jetstream: &mut Option<Context>,
    position: &mut Position<u64>,
    table: &mut Table,
) -> anyhow::Result<bool> {
    if jetstream.is_none() {
        *jetstream = Some(jetstream::new(async_nats::connect(url).await?));
    }
    let jetstream = jetstream.as_ref().expect("it was made above");
    let stream = jetstream.get_stream(STREAM).await?;
    if stream.cached_info().state.last_sequence <= position.at {
        return Ok(false);
    }
    let consumer = stream
        .create_consumer(pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: position.at + 1,
            },
            ack_policy: AckPolicy::None,
            ..pull::Config::default()
        })
        .await?;
    let mut messages = consumer.fetch().max_messages(BATCH).messages().await?;
    let mut payloads = Vec::new();
    let mut last = position.at;
    while let Some(message) = messages.next().await {
        let message = message.map_err(|error| anyhow::anyhow!(error))?;
        let info = message.info().map_err(|error| anyhow::anyhow!(error))?;
        last = info.stream_sequence;
        payloads.push(message.payload.clone());
    }
    table
        .add(payloads.iter().map(|payload| &payload[..]))
        .await?;
    position.at = last;
    let name = consumer.cached_info().name.clone();
    stream.delete_consumer(&name).await?;
    Ok(true)
}
