//! No user can fill Redis: its answers are copies, and a store's share of them is bounded.

use redis::InfoDict;

use crate::support::{
    Client, Redis, Shopper, World, client::fresh_key, market::cart_of, patience::SLOW_REDIS, wait,
};

const LINES: usize = 200;
/// The number of PUTs: a fifth of their answers would fill Redis if all were kept.
const PUTS: usize = 60;
/// The memory that Redis may use in addition to its use at start, in bytes.
const ROOM: u64 = 1_500_000;

#[tokio::test]
async fn the_largest_carts_under_fresh_keys_leave_room_for_events() {
    let world = World::with_settings(&[
        ("SPLITCART_IDEMPOTENCY_REDIS_STORE_KB_MAX", "256"),
        SLOW_REDIS,
    ])
    .await;
    let client = world.client(&world.market.buyer().await);
    let vendor = world.market.vendor().await;
    let mut lines = Vec::new();
    for _ in 0..LINES {
        lines.push((world.market.product(vendor, 500, 10_000).await, 1));
    }
    let cart = cart_of(&lines);
    let product = world.market.sold_product(500, 10).await;
    let small = cart_of(&[(product, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &small).await;
    let at_start = used(&world.redis).await;
    let mut connection = world.redis.connect().await.unwrap();
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", &(at_start + ROOM).to_string()])
        .query_async::<()>(&mut connection)
        .await
        .unwrap();

    let mut answered = 0;
    let mut last = (String::new(), Vec::new());
    for _ in 0..PUTS {
        let key = fresh_key();
        let reply = client.put_cart(&key, &cart).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        answered += reply.bytes.len() as u64;
        last = (key, reply.bytes);
    }

    assert!(answered > 3 * ROOM, "only {answered} bytes were answered");
    let taken = used(&world.redis).await - at_start;
    assert!(taken < ROOM * 2 / 3, "{taken} bytes are taken");
    assert!(world.server.metric("splitcart_answers_left_out").await > 0.0);
    assert_eq!(world.server.metric("splitcart_redis_failures").await, 0.0);
    // An answer of which Redis has no copy is still repeated.
    let again = Client::send(client.put_cart_request(&last.0, &cart)).await;
    assert!(again.is_replay() && again.bytes == last.1);
    // Other stores are served as before, and their events are published.
    assert_eq!(shopper.check_out().await.status, 201);
    assert!(shopper.check_out().await.is_replay());
    let from_redis = "splitcart_replays_total{source=\"redis\"}";
    assert_eq!(world.server.metric(from_redis).await, 1.0);
    wait::until("the event is published", async || {
        world.redis.events().await.len() == 1
    })
    .await;
}

async fn used(redis: &Redis) -> u64 {
    let mut connection = redis.connect().await.unwrap();
    let info: InfoDict = redis::cmd("INFO")
        .arg("memory")
        .query_async(&mut connection)
        .await
        .unwrap();
    info.get("used_memory").unwrap()
}
