//! Reads all partitions of a topic of Kafka.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

use rskafka::client::{
    Client, ClientBuilder,
    partition::{PartitionClient, UnknownTopicHandling},
};
use tokio::time::{sleep, timeout};

use super::{LOOK_MAX, PAUSE, Position, Table};
use crate::events_bench::brokers::STREAM;

const BYTES_MAX: i32 = 2_000_000;

/// The next offset of each partition.
type Offsets = BTreeMap<i32, i64>;

pub(super) async fn consume(address: String, losses: Arc<AtomicU64>, mut table: Table) {
    let mut position = Position::<Offsets>::new(losses);
    let mut readers = None;
    loop {
        position.check();
        let looked = timeout(
            LOOK_MAX,
            look(&address, &mut readers, &mut position, &mut table),
        );
        match looked.await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => sleep(PAUSE).await,
            Ok(Err(_)) | Err(_) => {
                readers = None;
                sleep(PAUSE).await;
            }
        }
    }
}

/// Reads the next records of each partition; false if there are none.
async fn look(
    address: &str,
    readers: &mut Option<Vec<PartitionClient>>,
    position: &mut Position<Offsets>,
    table: &mut Table,
) -> anyhow::Result<bool> {
    if readers.is_none() {
        let client = ClientBuilder::new(vec![address.to_owned()]).build().await?;
        *readers = Some(open(&client).await?);
    }
    let mut has_read = false;
    for reader in readers.iter().flatten() {
        let next = position.at.entry(reader.partition()).or_default();
        let (records, _) = reader.fetch_records(*next, 1..BYTES_MAX, 1).await?;
        // A batch is read from its beginning, whatever offset was asked for.
        let new: Vec<_> = records
            .iter()
            .filter(|record| record.offset >= *next)
            .collect();
        let Some(last) = new.last() else {
            continue;
        };
        let payloads = new.iter().filter_map(|it| it.record.value.as_deref());
        table.add(payloads).await?;
        *next = last.offset + 1;
        has_read = true;
    }
    Ok(has_read)
}

async fn open(client: &Client) -> anyhow::Result<Vec<PartitionClient>> {
    let topics = client.list_topics().await?;
    let topic = topics.into_iter().find(|topic| topic.name == STREAM);
    let topic = topic.ok_or_else(|| anyhow::anyhow!("there is no topic yet"))?;
    let mut readers = Vec::new();
    for partition in topic.partitions {
        let reader = client.partition_client(STREAM, partition, UnknownTopicHandling::Error);
        readers.push(reader.await?);
    }
    Ok(readers)
}
