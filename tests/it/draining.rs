//! A stop on a signal: not ready at once, serving for a while, then gone, within a limit.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::support::{Client, Shopper, World, market::cart_of, redis::signal, wait};

#[tokio::test]
async fn after_sigterm_it_is_unready_first_and_serves_until_the_delay_is_over() {
    let mut world = World::with_settings(&[("SPLITCART_HTTP_DRAIN_DELAY_S", "3")]).await;
    let client = world.client(&world.market.buyer().await);
    assert_eq!(client.get_cart().await.status, 404);

    world.server.terminate();
    let told = Instant::now();
    wait::until("it is not ready", async || {
        world.server.operations("/readyz").await.0 == 503
    })
    .await;
    let mut served = 0;
    while told.elapsed() < Duration::from_millis(2_500) {
        // Each request uses a new connection, like a balancer that has not noticed yet.
        let new = world.server.stranger();
        assert_eq!(new.get_cart().await.status, 401);
        served += 1;
    }

    assert!(served > 0);
    assert!(world.server.ended().await.success());
    assert!(told.elapsed() >= Duration::from_secs(3));
}

/// Programs recognise a stop by its reason, and by when it began.
#[tokio::test]
async fn readiness_gives_stopping_as_the_reason() {
    let mut world = World::with_settings(&[("SPLITCART_HTTP_DRAIN_DELAY_S", "3")]).await;
    let before = Utc::now();
    world.server.terminate();
    let mut last = String::new();
    wait::until("it is not ready", async || {
        let (status, body) = world.server.operations("/readyz").await;
        last = body;
        status == 503
    })
    .await;
    let state: Value = serde_json::from_str(&last).unwrap();
    let problem = &state["problems"][0];
    assert_eq!(problem["reason"], "stopping", "{last}");
    assert_eq!(problem["makes_unready"], true);
    let since: DateTime<Utc> = problem["since"].as_str().unwrap().parse().unwrap();
    assert!(
        since >= before - TimeDelta::milliseconds(1) && since <= Utc::now(),
        "{last}"
    );
    let head = reqwest::Client::new().head(format!("{}/readyz", world.server.ops));
    let head = head.send().await.unwrap();
    assert_eq!(head.status().as_u16(), 503);
    assert_eq!(head.text().await.unwrap(), "");
    assert!(world.server.ended().await.success());
}

#[tokio::test]
async fn a_hangup_drains_as_a_sigterm_does() {
    let mut world = World::start().await;
    signal(world.server.id(), "HUP");
    assert!(world.server.ended().await.success());
    let log = world.server.log();
    assert!(log.last().unwrap().contains("stopped"), "{log:?}");
}

/// A checkout that waits for a row that another session never releases can't delay the stop.
#[tokio::test]
async fn the_whole_stop_has_one_limit() {
    let mut world = World::with_settings(&[
        ("SPLITCART_HTTP_DRAIN_S_MAX", "8"),
        ("SPLITCART_TRANSACTION_MS_MAX", "60000"),
        ("SPLITCART_LOCK_MS_MAX", "60000"),
    ])
    .await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let _held = world.market.hold_stock(product).await;
    let waiting = tokio::spawn(Client::try_send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;

    world.server.terminate();
    let told = Instant::now();
    world.server.ended().await;

    let took = told.elapsed();
    assert!(took < Duration::from_secs(12), "{took:?}");
    waiting.abort();
}
