//! Connections that fall silent: they stay open, data that is sent is acknowledged, and no answer ever
//! comes. Only the service's own limits find that out.

use std::time::{Duration, Instant};

use crate::support::{
    Database, Market, Redis, Server, Shopper, World, assert_consistent,
    client::fresh_key,
    market::cart_of,
    silent_proxy::{Passes, SilentProxy},
    wait,
};

/// The promise is five seconds for everything that needs the lost connections; a busy machine gets more.
const BACK_WITHIN: Duration = Duration::from_secs(8);
/// A server sends all Redis commands over two connections: the relay's and its only worker's.
const ONE_WORKER: (&str, &str) = ("SPLITCART_HTTP_WORKERS", "1");

/// A world whose server connects to Redis through the proxy.
async fn world_behind_a_redis_proxy(settings: &[(&str, &str)]) -> (World, SilentProxy) {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let proxy = SilentProxy::before_redis(&redis.url).await;
    let server = Server::start(&database.url, &proxy.url(), settings).await;
    let market = Market::new(database);
    let world = World {
        server,
        redis,
        market,
    };
    (world, proxy)
}

/// A world whose server connects to PostgreSQL through the proxy.
async fn world_behind_a_postgres_proxy() -> (World, SilentProxy) {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let proxy = SilentProxy::before_postgres(&database.url).await;
    let server = Server::start(&proxy.url(), &redis.url, &[]).await;
    let market = Market::new(database);
    let world = World {
        server,
        redis,
        market,
    };
    (world, proxy)
}

/// Inserts an event into the outbox that is due after this time and that the service did not write.
async fn insert_event(world: &World, due: &str) {
    let statement = format!(
        "insert into outbox_events (
            id, event_type, aggregate_type, aggregate_id, payload, next_attempt_at)
         values ('{}', 'test', 'test', gen_random_uuid(), '{{}}', now() + interval '{due}')",
        uuid::Uuid::now_v7()
    );
    world.market.database.run(&statement).await;
}

async fn buy_one(world: &World) -> Shopper {
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let reply = shopper.check_out().await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    shopper
}

async fn until_published(world: &World, count: usize) {
    wait::until("every event is on the stream", async || {
        world.redis.any_events().await.len() >= count
    })
    .await;
    let unmarked = "select count(*) from outbox_events
                    where published_at is null and next_attempt_at < now() + interval '1 hour'";
    wait::until("every event is marked", async || {
        world.market.database.count(unmarked).await == 0
    })
    .await;
}

/// Waits until a replay comes from Redis.
async fn until_the_fast_path_is_back(world: &World) {
    let replays = "splitcart_replays_total{source=\"redis\"}";
    let before = world.server.metric(replays).await;
    let buyer = world.market.buyer().await;
    let cart = cart_of(&[(world.market.sold_product(500, 10).await, 1)]);
    let client = world.client(&buyer);
    wait::until("a replay comes from Redis", async || {
        let key = fresh_key();
        for _ in 0..2 {
            assert_eq!(client.put_cart(&key, &cart).await.status, 200);
        }
        world.server.metric(replays).await > before
    })
    .await;
}

#[tokio::test]
async fn silent_connections_to_redis_are_given_up_and_everything_is_back_within_seconds() {
    let (world, proxy) = world_behind_a_redis_proxy(&[ONE_WORKER]).await;
    buy_one(&world).await;
    until_published(&world, 1).await;
    until_the_fast_path_is_back(&world).await;

    proxy.silence();
    let struck = Instant::now();
    buy_one(&world).await;
    until_published(&world, 2).await;
    until_the_fast_path_is_back(&world).await;

    assert!(struck.elapsed() < BACK_WITHIN, "{:?}", struck.elapsed());
    assert_eq!(proxy.silenced(), 2, "the relay's and the worker's");
    assert_eq!(
        world.redis.any_events().await.len(),
        2,
        "nothing came twice"
    );
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
    assert_consistent(&world.market.database).await;
}

/// The same address, another server: a failover.
#[tokio::test]
async fn a_redis_that_became_a_replica_is_left_for_the_one_that_took_its_place() {
    let (world, proxy) = world_behind_a_redis_proxy(&[ONE_WORKER]).await;
    buy_one(&world).await;
    until_published(&world, 1).await;
    until_the_fast_path_is_back(&world).await;
    let (accepted, successor) = (proxy.accepted(), Redis::start().await);
    proxy.lead_to_redis(&successor.url);
    let mut connection = world.redis.connect().await.unwrap();
    redis::cmd("REPLICAOF")
        .arg(&["127.0.0.1", "1"])
        .query_async::<()>(&mut connection)
        .await
        .unwrap();

    let struck = Instant::now();
    buy_one(&world).await;
    wait::until("the event is on the new stream", async || {
        successor.any_events().await.len() == 1
    })
    .await;
    until_the_fast_path_is_back(&world).await;

    assert!(struck.elapsed() < BACK_WITHIN, "{:?}", struck.elapsed());
    assert!(
        proxy.accepted() > accepted + 1,
        "the relay's and the worker's"
    );
    let reason = "splitcart_outbox_sink_failures_total{sink=\"stream\",reason=\"serves_nothing\"}";
    assert!(world.server.metric(reason).await > 0.0);
    let blamed = "select count(*) from outbox_events where attempts > 0";
    assert_eq!(world.market.database.count(blamed).await, 0);
}

#[tokio::test]
async fn silent_connections_to_postgresql_stop_neither_the_relay_nor_the_gauges() {
    let (world, proxy) = world_behind_a_postgres_proxy().await;
    buy_one(&world).await;
    until_published(&world, 1).await;
    wait::until("the gauge tells", async || {
        world.server.metric("splitcart_outbox_measured").await > 0.0
            && world.server.metric("splitcart_outbox_waiting").await == 0.0
    })
    .await;

    proxy.silence();
    let struck = Instant::now();
    insert_event(&world, "0 s").await;
    insert_event(&world, "1 day").await;
    until_published(&world, 2).await;
    wait::until(
        "the gauge tells of the one that is not due yet",
        async || world.server.metric("splitcart_outbox_waiting").await == 1.0,
    )
    .await;

    assert!(struck.elapsed() < BACK_WITHIN, "{:?}", struck.elapsed());
    assert!(proxy.silenced() >= 2, "the relay's and the gauges'");
}

/// An event that is on the stream is marked over another connection, before its claim ends.
#[tokio::test]
async fn a_connection_lost_while_marking_costs_no_second_publication() {
    let (world, proxy) = world_behind_a_postgres_proxy().await;
    buy_one(&world).await;
    until_published(&world, 1).await;

    for (nr, passes) in [(2, Passes::Lost), (3, Passes::Forwarded)] {
        let silenced = proxy.silenced();
        proxy.silence_at("published_at = now()", passes);
        buy_one(&world).await;
        until_published(&world, nr).await;
        assert_eq!(proxy.silenced(), silenced + 1, "{passes:?}");
        assert_eq!(world.redis.any_events().await.len(), nr, "{passes:?}");
    }
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn sigterm_does_not_wait_for_a_silent_connection_of_the_relay() {
    let (mut world, proxy) = world_behind_a_postgres_proxy().await;
    buy_one(&world).await;
    until_published(&world, 1).await;
    proxy.silence_at("update outbox_events", Passes::Lost);
    insert_event(&world, "0 s").await;
    wait::until("the relay's connection is silent", async || {
        proxy.silenced() == 1
    })
    .await;

    let struck = Instant::now();
    world.server.terminate();
    assert!(world.server.ended().await.success());

    assert!(struck.elapsed() < BACK_WITHIN, "{:?}", struck.elapsed());
    until_published(&world, 2).await;
}
