//! Connections that fall silent: they stand, what is sent is acknowledged, and nothing ever comes back.
//! Only limits of our own find that out.

use std::time::{Duration, Instant};

use crate::support::{
    Database, Market, Redis, Server, Shopper, World, assert_consistent, client::fresh_key,
    market::cart_of, silent_proxy::SilentProxy, wait,
};

/// Within which everything that needs the lost connections must be back.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// All of Redis' commands of a server go over two connections: the relay's and one worker's.
const ONE_WORKER: (&str, &str) = ("SPLITCART_HTTP_WORKERS", "1");

/// A world whose server talks to Redis through the proxy.
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
        world.redis.events().await.len() >= count
    })
    .await;
    let unmarked = "select count(*) from outbox_events where published_at is null";
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
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
    assert_consistent(&world.market.database).await;
}
