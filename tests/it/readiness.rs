//! The answers of `/readyz`, and their cost.

use serde_json::Value;

use crate::support::{Client, Shopper, World, market::cart_of, wait};

const ASKED: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'splitcart readiness'";
const NEWEST: &str = "select coalesce(max(pid), 0)::bigint from pg_stat_activity
    where datname = current_database() and application_name = 'splitcart readiness'";
const CUT: &str = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = 'splitcart readiness'";

#[tokio::test]
async fn readiness_keeps_one_connection_and_replaces_it_when_it_is_cut() {
    let world = World::start().await;
    let database = &world.market.database;
    assert_eq!(world.server.operations("/readyz").await.0, 200);
    let first = database.count(NEWEST).await;
    for _ in 0..10 {
        assert_eq!(world.server.operations("/readyz").await.0, 200);
    }
    assert_eq!(database.count(ASKED).await, 1);
    assert_eq!(database.count(NEWEST).await, first, "it is the same one");

    assert_eq!(database.count(CUT).await, 1);

    // The last answer of `/readyz` is cached for a moment.
    wait::until("there is another one", async || {
        let (status, body) = world.server.operations("/readyz").await;
        assert_eq!(status, 200, "{body}");
        // The one that was cut may still be listed, or already be gone.
        let newest = database.count(NEWEST).await;
        newest != 0 && newest != first && database.count(ASKED).await == 1
    })
    .await;
}

#[tokio::test]
async fn batches_that_do_not_end_make_a_service_unready() {
    let world = World::with_settings(&[
        ("SPLITCART_TRANSACTION_MS_MAX", "60000"),
        ("SPLITCART_LOCK_MS_MAX", "60000"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "60000"),
    ])
    .await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let held = world.market.hold_stock(product).await;
    let waiting = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    assert_eq!(world.server.operations("/readyz").await.0, 200);

    wait::until("it is not ready", async || {
        world.server.operations("/readyz").await.0 == 503
    })
    .await;

    let (_, body) = world.server.operations("/readyz").await;
    let state: Value = serde_json::from_str(&body).unwrap();
    let reason = state["reasons"][0].as_str().unwrap();
    assert!(reason.contains("no batch of checkouts has ended"), "{body}");
    assert_eq!(world.server.operations("/livez").await.0, 200);
    held.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().status, 201);
    assert_eq!(world.server.operations("/readyz").await.0, 200);
}
