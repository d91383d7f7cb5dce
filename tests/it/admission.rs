//! Who gets a slot, who waits, and who is sent away at the door.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{
    Client, Reply, Shopper, World, assert_consistent, crowd::check_out_together, market::cart_of,
    wait,
};

const DEPTH: &str = "splitcart_coordinator_mailbox_depth";

/// The pace of what went before tells how long a newcomer would wait: it hears 503 at once, not when
/// the wait is over.
#[tokio::test]
async fn who_would_wait_too_long_is_refused_at_once() {
    let settings = [
        ("SPLITCART_BATCH_MAX", "1"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_LOCK_MS_MAX", "3000"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "2500"),
    ];
    let world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 4];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let held = world.market.hold_stock(product).await;
    // The first one shows that a batch takes three seconds at present.
    assert_eq!(shoppers[0].check_out().await.status, 503);
    let blocked = tokio::spawn(Client::send(shoppers[1].request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    let queued = tokio::spawn(Client::send(shoppers[2].request()));
    wait::until("one is queued", async || {
        world.server.metric(DEPTH).await == 1.0
    })
    .await;

    let started = Instant::now();
    let refused = shoppers[3].check_out().await;
    let took = started.elapsed();

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "OVERLOADED")
    );
    assert_eq!(refused.header("retry-after"), "1");
    assert!(took < Duration::from_secs(1), "at once: {took:?}");
    let forecast = "splitcart_coordinator_rejected_total{reason=\"WouldWaitTooLong\"}";
    assert_eq!(world.server.metric(forecast).await, 1.0);
    held.rollback().await.unwrap();
    for reply in [blocked.await.unwrap(), queued.await.unwrap()] {
        assert!([201, 503].contains(&reply.status), "{}", reply.text());
    }
    for shopper in &shoppers {
        assert_eq!(shopper.insist().await.status, 201);
    }
    assert_consistent(&world.market.database).await;
}

/// Beside a running transaction a few wait for more, however many slots are free; enough of them
/// start another one.
#[tokio::test]
async fn a_second_transaction_starts_when_enough_wait() {
    let settings = [
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "2"),
        ("SPLITCART_BATCH_MIN_IN_PARALLEL", "4"),
        ("SPLITCART_LOCK_MS_MAX", "20000"),
        ("SPLITCART_TRANSACTION_MS_MAX", "20000"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
    ];
    let world = World::with_settings(&settings).await;
    let locked = world.market.sold_product(500, 100).await;
    let free = world.market.sold_product(300, 100).await;
    let mut carts = vec![cart_of(&[(locked, 1)])];
    carts.resize(5, cart_of(&[(free, 1)]));
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let held = world.market.hold_stock(locked).await;
    let blocked = tokio::spawn(Client::send(shoppers[0].request()));
    world.market.until_a_checkout_waits_for_a_lock().await;

    let few: Vec<_> = shoppers[1..4].iter().map(Shopper::request).collect();
    let few = tokio::spawn(join_all(few.into_iter().map(Client::send)));
    wait::until("three wait", async || {
        world.server.metric(DEPTH).await == 3.0
    })
    .await;
    let batches = "splitcart_batch_size_count";
    assert_eq!(
        world.server.metric(batches).await,
        1.0,
        "the free slot waits"
    );
    let last = check_out_together(&shoppers[4..]).await;

    let bought: Vec<Reply> = few.await.unwrap().into_iter().chain(last).collect();
    assert!(bought.iter().all(|reply| reply.status == 201));
    assert_eq!(world.server.metric(batches).await, 2.0, "they shared one");
    held.rollback().await.unwrap();
    assert_eq!(blocked.await.unwrap().status, 201);
    assert_consistent(&world.market.database).await;
}
