//! Events in a topic of Kafka, which is killed and frozen. `SPLITCART_TEST_KAFKA` may name another broker
//! (`host:port`); then only the tests run that leave it alone.

use std::{collections::BTreeMap, sync::Arc};

use private_servers::BrokerKind;
use rskafka::{
    client::{Client, ClientBuilder, partition::UnknownTopicHandling},
    record::RecordAndOffset,
};
use serde_json::Value;

use crate::support::{brokers::Broker, wait};

use super::world::{STREAM, SinkWorld, TRACEPARENT};

const TOPIC: &str = "splitcart.events";

fn sink(address: &str, topic: &str, settings: &str) -> String {
    format!(
        "[[outbox.sinks]]\nname = \"kafka\"\nkind = \"kafka\"\nbrokers = [\"{address}\"]\n\
         topic = \"{topic}\"\npartitions = 3\nreplication_factor = 1\n{settings}\n"
    )
}

async fn client(address: &str) -> Client {
    let building = ClientBuilder::new(vec![address.to_owned()]).build();
    building.await.unwrap()
}

/// The records of each partition; none if there is no such topic.
async fn records(address: &str, topic: &str) -> BTreeMap<i32, Vec<RecordAndOffset>> {
    let client = client(address).await;
    let topics = client.list_topics().await.unwrap();
    let Some(found) = topics.into_iter().find(|found| found.name == topic) else {
        return BTreeMap::new();
    };
    let mut records = BTreeMap::new();
    for partition in found.partitions {
        let reader = client.partition_client(topic, partition, UnknownTopicHandling::Retry);
        let reader = Arc::new(reader.await.unwrap());
        let mut of_partition: Vec<RecordAndOffset> = Vec::new();
        loop {
            let next = of_partition.last().map_or(0, |last| last.offset + 1);
            let (read, high) = reader.fetch_records(next, 1..1_000_000, 100).await.unwrap();
            of_partition.extend(read);
            if of_partition.last().map_or(0, |last| last.offset + 1) >= high {
                break;
            }
        }
        records.insert(partition, of_partition);
    }
    records
}

async fn events(address: &str, topic: &str) -> Vec<Value> {
    let records = records(address, topic).await;
    let values = records.values().flatten();
    values
        .map(|it| serde_json::from_slice(it.record.value.as_ref().unwrap()).unwrap())
        .collect()
}

async fn until_there_are(address: &str, topic: &str, count: usize) {
    wait::until(&format!("there are {count} events in Kafka"), async || {
        events(address, topic).await.len() >= count
    })
    .await;
}

/// The partition that the Java producer would choose, by its own vectors in `sink::kafka::partition`: here,
/// that each aggregate is in one, and that several are used.
#[tokio::test]
async fn the_events_of_an_aggregate_are_in_one_partition_with_key_and_attributes() {
    let (_own, address) = match std::env::var("SPLITCART_TEST_KAFKA") {
        Ok(address) => (None, address),
        Err(_) => {
            let broker = Broker::start(BrokerKind::Kafka).await;
            let address = broker.address.clone();
            (Some(broker), address)
        }
    };
    for compression in ["none", "gzip", "snappy"] {
        let topic = format!("splitcart.{compression}.{}", uuid::Uuid::now_v7());
        let setting = format!("compression = \"{compression}\"");
        let world = SinkWorld::start(&[&sink(&address, &topic, &setting)]).await;
        for nr in 0..4 {
            world.announce(nr).await;
        }
        until_there_are(&address, &topic, 20).await;
        let records = records(&address, &topic).await;
        world.assert_in_order(&events(&address, &topic).await, 0..4);
        let mut places: BTreeMap<Vec<u8>, Vec<i32>> = BTreeMap::new();
        for (partition, records) in &records {
            for record in records {
                let key = record.record.key.clone().unwrap();
                let event: Value =
                    serde_json::from_slice(record.record.value.as_ref().unwrap()).unwrap();
                assert_eq!(event["aggregate_id"].as_str().unwrap().as_bytes(), key);
                let header =
                    |name: &str| String::from_utf8(record.record.headers[name].clone()).unwrap();
                assert_eq!(header("ce_id"), event["event_id"]);
                assert_eq!(header("ce_type"), "splitcart.order_decided.v1");
                assert_eq!(header("traceparent"), TRACEPARENT);
                places.entry(key).or_default().push(*partition);
            }
        }
        for partitions in places.values_mut() {
            partitions.dedup();
            assert_eq!(partitions.len(), 1);
        }
        assert_eq!((places.len(), records.len()), (5, 3));
    }
}

/// The broker of the tests keeps everything in memory: a restart empties it.
#[tokio::test]
async fn a_kafka_that_was_killed_gets_a_topic_again_and_the_events_from_then_on() {
    let mut kafka = Broker::start(BrokerKind::Kafka).await;
    let address = kafka.address.clone();
    let world = SinkWorld::start(&[STREAM, &sink(&address, TOPIC, "")]).await;
    world.announce(0).await;
    until_there_are(&address, TOPIC, 5).await;
    kafka.kill().await;
    for nr in 1..4 {
        world.announce(nr).await;
    }
    world.until_down("kafka", "unreachable").await;
    wait::until("Redis has every event", async || {
        world.redis.events().await.len() == 20
    })
    .await;

    kafka.restart().await;

    until_there_are(&address, TOPIC, 15).await;
    world.until_up("kafka").await;
    world.assert_in_order(&events(&address, TOPIC).await, 1..4);
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_frozen_kafka_then_gets_every_event_in_order() {
    let kafka = Broker::start(BrokerKind::Kafka).await;
    let address = kafka.address.clone();
    let world = SinkWorld::start(&[&sink(&address, TOPIC, ""), STREAM]).await;
    world.announce(0).await;
    until_there_are(&address, TOPIC, 5).await;
    kafka.freeze();
    for nr in 1..4 {
        world.announce(nr).await;
    }
    world.until_down("kafka", "no_answer").await;

    kafka.thaw();

    let waiting = "select count(*) from outbox_events where published_at is null";
    wait::until("every event is published", async || {
        world.market.database.count(waiting).await == 0
    })
    .await;
    world.assert_in_order(&events(&address, TOPIC).await, 0..4);
    world.assert_nothing_blamed().await;
}
