//! Events in NATS JetStream, which is killed, frozen and emptied.

use std::collections::BTreeSet;

use async_nats::jetstream::stream::{DiscardPolicy, StorageType};
use splitcart::domain::ids::EventId;
use uuid::Uuid;

use crate::support::{Shopper, assert_consistent, brokers::Nats, market::cart_of, wait};

use super::world::{STREAM, SinkWorld, TRACEPARENT, nats_sink};

#[tokio::test]
async fn a_checkout_arrives_in_nats_under_its_subject_with_its_attributes() {
    let nats = Nats::start().await;
    let settings =
        "max_age = \"1h\"\nmax_bytes = 1000000\ndiscard = \"new\"\nduplicate_window = \"1min\"";
    let world = SinkWorld::start(&[&nats_sink(&nats.url(), settings)]).await;
    let product = world.market.sold_product(500, 10).await;
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    assert_eq!(shopper.check_out().await.status, 201);

    nats.until_there_are(1).await;

    let message = &nats.messages().await[0];
    let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    let (id, group) = (
        event["event_id"].as_str().unwrap(),
        event["aggregate_id"].as_str().unwrap(),
    );
    assert_eq!(
        message.subject.as_str(),
        format!("splitcart.order_created.{group}")
    );
    let header = |name: &str| message.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Nats-Msg-Id"), id);
    assert_eq!(header("ce-id"), id);
    assert_eq!(header("ce-specversion"), "1.0");
    assert_eq!(header("ce-type"), "splitcart.order_created.v1");
    assert_eq!(header("ce-source"), "splitcart");
    assert_eq!(header("ce-subject"), format!("checkout_group/{group}"));
    let time = chrono::DateTime::parse_from_rfc3339(&header("ce-time")).unwrap();
    let occurred = event["occurred_at"].as_str().unwrap();
    assert_eq!(
        time,
        chrono::DateTime::parse_from_rfc3339(occurred).unwrap()
    );
    assert_eq!(header("content-type"), "application/json");

    let jetstream = nats.jetstream().await;
    let stream = jetstream.get_stream("splitcart").await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["splitcart.>"]);
    assert_eq!(
        (config.storage, config.discard),
        (StorageType::File, DiscardPolicy::New)
    );
    assert_eq!(
        (config.max_age.as_secs(), config.max_bytes),
        (3600, 1_000_000)
    );
    assert_eq!(config.duplicate_window.as_secs(), 60);
    wait::until("it is marked", async || {
        let waiting = "select count(*) from outbox_events where published_at is null";
        world.market.database.count(waiting).await == 0
    })
    .await;
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn an_event_carries_the_trace_of_its_request_to_nats() {
    let nats = Nats::start().await;
    let world = SinkWorld::start(&[&nats_sink(&nats.url(), "")]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    let messages = nats.messages().await;
    let trace = messages[0].headers.get("traceparent").unwrap();
    assert_eq!(trace.as_str(), TRACEPARENT);
}

/// NATS beside Redis: the follower goes on where it was, and Redis is not held up.
#[tokio::test]
async fn a_killed_nats_holds_up_no_other_sink_and_then_gets_every_event_in_order() {
    let mut nats = Nats::start().await;
    let world = SinkWorld::start(&[STREAM, &nats_sink(&nats.url(), "")]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    nats.broker.kill().await;
    for nr in 1..4 {
        world.announce(nr).await;
    }
    world.until_down("nats", "unreachable").await;
    wait::until("Redis has every event", async || {
        world.redis.events().await.len() == 20
    })
    .await;

    nats.broker.restart().await;

    nats.until_there_are(20).await;
    world.until_up("nats").await;
    let events = nats.events().await;
    world.assert_in_order(&events, 0..4);
    assert_eq!(events.len(), 20, "no duplicate within the window");
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_frozen_nats_holds_up_no_other_sink_and_then_gets_every_event_in_order() {
    let nats = Nats::start().await;
    let world = SinkWorld::start(&[STREAM, &nats_sink(&nats.url(), "")]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    nats.broker.freeze();
    for nr in 1..4 {
        world.announce(nr).await;
    }
    world.until_down("nats", "no_answer").await;
    wait::until("Redis has every event", async || {
        world.redis.events().await.len() == 20
    })
    .await;

    nats.broker.thaw();

    nats.until_there_are(20).await;
    world.until_up("nats").await;
    let events = nats.events().await;
    world.assert_in_order(&events, 0..4);
    assert_eq!(
        events.len(),
        20,
        "what was given up came twice, and was dropped by its id"
    );
    world.assert_nothing_blamed().await;
}

/// NATS as the primary sink.
#[tokio::test]
async fn a_redis_that_is_away_does_not_hold_up_nats() {
    let nats = Nats::start().await;
    let mut world = SinkWorld::start(&[&nats_sink(&nats.url(), ""), STREAM]).await;
    world.redis.kill().await;
    for nr in 0..4 {
        world.announce(nr).await;
    }
    nats.until_there_are(20).await;
    world.until_down("stream", "unreachable").await;
    world.assert_in_order(&nats.events().await, 0..4);

    world.redis.restart().await;

    wait::until("Redis has every event", async || {
        world.redis.events().await.len() >= 20
    })
    .await;
    world.assert_in_order(&world.redis.events().await, 0..4);
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_nats_that_lost_everything_gets_a_stream_again_and_the_events_from_then_on() {
    let mut nats = Nats::start().await;
    let world = SinkWorld::start(&[&nats_sink(&nats.url(), "")]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    nats.broker.wipe().await;
    assert!(nats.messages().await.is_empty());

    for nr in 1..3 {
        world.announce(nr).await;
    }

    nats.until_there_are(10).await;
    world.assert_in_order(&nats.events().await, 1..3);
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_made_again() {
    let nats = Nats::start().await;
    let world = SinkWorld::start(&[&nats_sink(&nats.url(), "")]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    let jetstream = nats.jetstream().await;
    jetstream.delete_stream("splitcart").await.unwrap();

    world.announce(1).await;

    nats.until_there_are(5).await;
    world.assert_in_order(&nats.events().await, 1..2);
    world.until_down("nats", "no_stream").await;
    world.assert_nothing_blamed().await;
}

/// At least once: a service that is killed after publishing publishes again, and NATS drops it by its id.
#[tokio::test]
async fn events_that_are_published_twice_are_on_the_stream_once() {
    let nats = Nats::start().await;
    let world = SinkWorld::start(&[&nats_sink(&nats.url(), "")]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    let marked = "select count(*) from outbox_events where published_at is not null";
    wait::until("all are marked", async || {
        world.market.database.count(marked).await == 5
    })
    .await;

    world
        .market
        .database
        .run("update outbox_events set published_at = null, next_attempt_at = now()")
        .await;

    wait::until("all are marked again", async || {
        world.market.database.count(marked).await == 5
    })
    .await;
    assert_eq!(
        world.server.metric("splitcart_outbox_published").await,
        10.0
    );
    let ids: BTreeSet<_> = nats
        .events()
        .await
        .iter()
        .map(|event| EventId::new(Uuid::parse_str(event["event_id"].as_str().unwrap()).unwrap()))
        .collect();
    assert_eq!((nats.messages().await.len(), ids.len()), (5, 5));
}
