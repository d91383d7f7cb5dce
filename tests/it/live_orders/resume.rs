//! A stream that comes back misses nothing, or is told so.

use crate::{
    moves::{check_out, worker},
    support::{Server, World, market::cart_of, wait},
};

use super::Stream;

async fn buy(world: &World, server: &Server, cart: &serde_json::Value) -> String {
    let buyer = server.client(&world.market.buyer().await);
    let group = check_out(&buyer, cart).await;
    let id = group["vendor_orders"][0]["order_id"].as_str().unwrap();
    id.to_owned()
}

async fn next_order(stream: &mut Stream) -> String {
    let (name, order) = stream.next_words().await;
    assert_eq!(name, "vendor_order_created");
    order
}

#[tokio::test]
async fn a_stream_goes_on_at_another_instance_and_after_a_restart() {
    let mut world = World::start().await;
    let (database_url, redis_url) = (world.market.database.url.clone(), world.redis.url.clone());
    let other = Server::start(&database_url, &redis_url, &[]).await;
    let product = world.market.sold_product(500, 1000).await;
    let cart = cart_of(&[(product, 1)]);
    let vendor = worker(&world, product.vendor, "viewer").await;

    let mut first = Stream::open(&vendor).await;
    let seen = buy(&world, &world.server, &cart).await;
    assert_eq!(next_order(&mut first).await, seen);
    let last_id = first.last_id.clone();
    drop(first);
    let mut missed = Vec::new();
    for nr in 0..6 {
        let server = if nr % 2 == 0 { &other } else { &world.server };
        missed.push(buy(&world, server, &cart).await);
    }
    // A relay publishes what its own instance has written: the order of the log is that of publication.
    let unpublished = "select count(*) from outbox_events where published_at is null";
    wait::until("everything is published", async || {
        world.market.database.count(unpublished).await == 0
    })
    .await;

    let mut second = Stream::resume(&vendor.on(&other), &last_id).await;
    let mut resumed = Vec::new();
    for _ in 0..3 {
        resumed.push(next_order(&mut second).await);
    }
    let last_id = second.last_id.clone();
    drop(second);
    world.server.kill();
    world.server = Server::start(&database_url, &redis_url, &[]).await;
    let mut third = Stream::resume(&vendor.on(&world.server), &last_id).await;
    for _ in 0..3 {
        resumed.push(next_order(&mut third).await);
    }
    let (mut all, mut expected) = (resumed, missed);
    all.sort_unstable();
    expected.sort_unstable();
    assert_eq!(all, expected);

    let live = buy(&world, &other, &cart).await;
    assert_eq!(next_order(&mut third).await, live);
}

#[tokio::test]
async fn a_stream_is_told_when_what_it_missed_is_not_kept() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 1000).await;
    let cart = cart_of(&[(product, 1)]);
    let vendor = worker(&world, product.vendor, "viewer").await;
    let first = Stream::open(&vendor).await;
    let last_id = first.last_id.clone();
    drop(first);
    for _ in 0..3 {
        buy(&world, &world.server, &cart).await;
    }
    let published = "select count(*) from outbox_events where seq is not null";
    wait::until("all are in the log", async || {
        world.market.database.count(published).await == 3
    })
    .await;
    let sweep = "delete from outbox_events where seq < (select max(seq) from outbox_events)";
    world.market.database.run(sweep).await;

    for unknown in [last_id.as_str(), "999999999"] {
        let mut stream = Stream::resume(&vendor, unknown).await;
        assert_eq!(stream.next().await.unwrap().name, "reset", "{unknown}");

        // It goes on from where the reader of the log is, which may be a look behind.
        let live = buy(&world, &world.server, &cart).await;
        while next_order(&mut stream).await != live {}
    }
}

/// The id of a heartbeat leads past the events of others.
#[tokio::test]
async fn a_stream_without_events_has_heartbeats_that_it_can_resume_from() {
    let world = World::with_settings(&[("SPLITCART_LIVE_HEARTBEAT_S", "1")]).await;
    let product = world.market.sold_product(500, 1000).await;
    let quiet = world.client(&world.market.buyer().await);
    let mut stream = Stream::open(&quiet).await;
    let first: i64 = stream.last_id.parse().unwrap();

    buy(&world, &world.server, &cart_of(&[(product, 1)])).await;
    wait::until("a heartbeat tells of a later place", async || {
        assert!(stream.block().await.unwrap().is_none());
        stream.last_id.parse::<i64>().unwrap() > first
    })
    .await;

    assert!(stream.heartbeats >= 1);
    let mut again = Stream::resume(&quiet, &stream.last_id).await;
    assert!(again.block().await.unwrap().is_none(), "no reset");
}
