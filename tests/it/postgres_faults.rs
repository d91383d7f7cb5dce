//! PostgreSQL cuts connections, deadlocks, or responds late: every caller is answered, and a checkout
//! without a 201 has no effect.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{
    Client, Reply, Shopper, World, assert_consistent,
    crowd::{check_out_together, is_refused},
    market::cart_of,
    patience::{LONG_LOCKS, patient},
    wait,
};

const GROUPS: &str = "select count(*) from checkout_groups";

/// Cuts all connections that run checkouts; returns their number.
async fn cut_the_checkouts_connections(world: &World) -> i64 {
    let cut = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name = 'splitcart checkout'";
    world.market.database.count(cut).await
}

/// PF-081: connections are cut again and again, in any statement, the commit included.
#[tokio::test]
async fn connections_cut_under_load_lead_to_201_or_503_and_to_one_group_each() {
    let settings = patient(&[("SPLITCART_BATCH_MAX", "4")]);
    let world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 200).await;
    let carts = vec![cart_of(&[(product, 1)]); 60];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

    let requests: Vec<_> = shoppers.iter().map(Shopper::request).collect();
    let load = tokio::spawn(join_all(requests.into_iter().map(Client::send)));
    let mut cut = 0;
    wait::until("all are answered", async || {
        cut += cut_the_checkouts_connections(&world).await;
        load.is_finished()
    })
    .await;
    let replies = load.await.unwrap();

    assert!(cut > 0);
    // The cut has hit a statement.
    world.server.until_logged("terminating connection").await;
    for (shopper, reply) in shoppers.iter().zip(&replies) {
        assert!(reply.status == 201 || is_refused(reply), "{}", reply.text());
        let retry = shopper.insist().await;
        if reply.status == 201 {
            assert!(retry.is_replay() && retry.bytes == reply.bytes);
        }
    }
    assert_eq!(world.market.database.count(GROUPS).await, 60);
    assert_eq!(world.market.stock_of(product).await, (140, 60));
    assert_consistent(&world.market.database).await;
}

/// A connection that is cut while the transaction waits is replaced, and the caller only waits longer.
#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_transaction_is_replaced() {
    let settings = patient(&[LONG_LOCKS]);
    let world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let held = world.market.hold_stock(product).await;

    let waiting = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    // The waiting connection, and those that the pool keeps beside it.
    assert!(cut_the_checkouts_connections(&world).await > 0);
    held.rollback().await.unwrap();
    let reply = waiting.await.unwrap();

    assert_eq!((reply.status, reply.is_replay()), (201, false));
    assert_eq!(world.server.metric("splitcart_batch_retries").await, 1.0);
    assert_eq!(world.market.stock_of(product).await, (8, 2));
    assert_consistent(&world.market.database).await;
}

/// 40P01: the other side of the deadlock continues, and the checkout is tried again.
#[tokio::test]
async fn a_deadlock_with_somebody_else_is_tried_again() {
    let settings = patient(&[LONG_LOCKS, ("SPLITCART_ATTEMPTS_MAX", "10")]);
    let world = World::with_settings(&settings).await;
    // The service locks vendors in ascending order; the other session starts at the other end.
    let first = world.market.sold_product(500, 10).await;
    let second = world.market.sold_product(300, 10).await;
    let cart = cart_of(&[(first, 1), (second, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let mut foreign = world.market.hold_stock(second).await;
    // The other side waits patiently, so that the service's transaction is the one that is aborted.
    sqlx::query("set local deadlock_timeout = '60s'")
        .execute(&mut *foreign)
        .await
        .unwrap();

    let ours = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    sqlx::query("select from inventory_items where product_id = $1 for update")
        .bind(first.id)
        .execute(&mut *foreign)
        .await
        .unwrap();
    foreign.rollback().await.unwrap();
    let reply = ours.await.unwrap();

    assert_eq!((reply.status, reply.is_replay()), (201, false));
    // The deadlock has occurred.
    world.server.until_logged("deadlock detected").await;
    assert!(world.server.metric("splitcart_batch_retries").await >= 1.0);
    assert_eq!(world.market.stock_of(first).await, (9, 1));
    assert_eq!(world.market.stock_of(second).await, (9, 1));
    assert_consistent(&world.market.database).await;
}

/// Checkouts are refused at once, with nothing done, rather than queued without limit.
#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let settings = patient(&[
        ("SPLITCART_QUEUE_MAX", "3"),
        ("SPLITCART_BATCH_MAX", "1"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
        LONG_LOCKS,
    ]);
    let world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 10];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let held = world.market.hold_stock(product).await;
    let blocked = tokio::spawn(Client::send(shoppers[0].request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    let requests: Vec<_> = shoppers[1..4].iter().map(Shopper::request).collect();
    let queued = tokio::spawn(join_all(requests.into_iter().map(Client::send)));
    wait::until("the queue is full", async || {
        let depth = "splitcart_coordinator_mailbox_depth";
        world.server.metric(depth).await == 3.0
    })
    .await;

    let started = Instant::now();
    let refused = check_out_together(&shoppers[4..]).await;
    let took = started.elapsed();

    assert!(took < Duration::from_secs(2), "at once: {took:?}");
    for reply in &refused {
        assert_eq!((reply.status, reply.code().as_str()), (503, "OVERLOADED"));
        let retry_after: u32 = reply.header("retry-after").parse().unwrap();
        assert!((1..=3).contains(&retry_after), "{retry_after}");
    }
    let rejected = "splitcart_coordinator_rejected_total{reason=\"QueueFull\"}";
    assert_eq!(world.server.metric(rejected).await, 6.0);
    let overloaded = "splitcart_checkouts_total{outcome=\"overloaded\"}";
    assert_eq!(world.server.metric(overloaded).await, 6.0);
    assert_eq!(world.market.database.count(GROUPS).await, 0);
    held.rollback().await.unwrap();
    let mut answered = queued.await.unwrap();
    answered.push(blocked.await.unwrap());
    assert!(answered.iter().all(|reply: &Reply| reply.status == 201));
    // The refused keys are free.
    for shopper in &shoppers[4..] {
        let reply = shopper.check_out().await;
        assert_eq!((reply.status, reply.is_replay()), (201, false));
    }
    assert_eq!(world.market.stock_of(product).await, (90, 10));
    assert_consistent(&world.market.database).await;
}

/// A connection that was used a moment ago is not pinged before it is used again. If it was cut
/// meanwhile, the statement finds that out, and a read is repeated.
#[tokio::test]
async fn a_read_whose_connection_was_cut_is_read_again() {
    let world = World::with_settings(&[("SPLITCART_HTTP_WORKERS", "1")]).await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    client.freeze(&cart_of(&[(product, 1)])).await;
    let read_again = || {
        let log = world.server.log().into_iter();
        log.filter(|line| line.contains("reading again")).count()
    };
    let mut cuts = 0;
    // Sometimes the pool notices the cut first, so the test repeats until a read notices one.
    wait::until("a cut was noticed by a read", async || {
        assert_eq!(client.get_cart().await.status, 200);
        let cut = "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'splitcart http'";
        world.market.database.run(cut).await;
        cuts += 1;
        assert_eq!(client.get_cart().await.status, 200, "after cut {cuts}");
        read_again() > 0
    })
    .await;
}
