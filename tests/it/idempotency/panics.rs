//! Keys of requests that panic.

use std::time::{Duration, Instant};

use crate::support::{
    Server, World, client::fresh_key, crowd::is_in_progress, market::cart_of, wait,
};

/// A panic releases the key as any other failure does; the key does not stay claimed until its lease ends.
#[tokio::test]
async fn a_panic_in_a_request_leaves_its_key_free_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let reached = dir.path().join("reached");
    let mut world = World::start().await;
    let fault = format!("in_request!:{}", reached.display());
    // The lease outlives the test.
    let settings = [
        ("SPLITCART_FAULT", fault.as_str()),
        ("SPLITCART_IDEMPOTENCY_CLAIM_LEASE_MS", "10000"),
    ];
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    world.server = Server::start(database_url, redis_url, &settings).await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 10).await, 1)]);
    let key = fresh_key();

    let died = client.put_cart(&key, &cart).await;
    let started = Instant::now();
    let mut again = client.put_cart(&key, &cart).await;
    wait::until("the key is free", async || {
        if is_in_progress(&again) {
            again = client.put_cart(&key, &cart).await;
        }
        !is_in_progress(&again)
    })
    .await;

    assert!(reached.exists(), "the place was never reached");
    assert_eq!((died.status, died.code().as_str()), (500, "INTERNAL"));
    assert_eq!((again.status, again.is_replay()), (200, false));
    assert!(started.elapsed() < Duration::from_secs(3), "{started:?}");
}
