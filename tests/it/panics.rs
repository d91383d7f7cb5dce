//! The cost of a panic, or of a server that stops answering: time, and no other checkout.
#![cfg(feature = "faults")]

use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{
    Client, Server, Shopper, World, assert_consistent, crowd::together, market::cart_of, wait,
};

/// A server with a fault that occurs once, at a place.
async fn struck_at(place: &str, settings: &[(&str, &str)]) -> (World, TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let reached = dir.path().join("reached");
    let mut world = World::start().await;
    let fault = format!("{place}:{}", reached.display());
    let mut settings = settings.to_vec();
    settings.push(("SPLITCART_FAULT", &fault));
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    world.server = Server::start(database_url, redis_url, &settings).await;
    (world, dir, reached)
}

/// The batch is carried out in halves, and no other caller is affected.
#[tokio::test]
async fn a_panic_in_a_batch_takes_no_caller_along() {
    for place in ["after_reservation!", "in_vendor_actor!"] {
        let (world, _dir, reached) = struck_at(place, &[]).await;
        let product = world.market.sold_product(500, 100).await;
        let carts: Vec<_> = (0..16).map(|_| cart_of(&[(product, 2)])).collect();
        let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

        let requests: Vec<_> = shoppers.iter().map(Shopper::request).collect();
        let replies = together(requests).await;

        assert!(reached.exists(), "{place} was never reached");
        world
            .server
            .until_logged("the test asked for a panic here")
            .await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [201; 16]);
        for shopper in &shoppers {
            assert_eq!(shopper.insist().await.status, 201);
        }
        assert_eq!(world.market.stock_of(product).await, (68, 32));
        assert_consistent(&world.market.database).await;
    }
}

/// The server has committed and never says so: the outcome is looked up, never guessed, and the slot is
/// released.
#[tokio::test]
async fn a_commit_that_is_never_answered_is_looked_up() {
    let settings = [
        ("SPLITCART_COMMIT_MS_MAX", "500"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ];
    let (mut world, _dir, reached) = struck_at("commit_unanswered", &settings).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let next = Shopper::with_cart(&world.market, &world.server, &cart).await;

    let waiting = tokio::spawn(Client::send(shopper.request()));
    wait::until("the commit is not answered", async || reached.exists()).await;
    let groups = "select count(*) from checkout_groups";
    assert_eq!(
        world.market.database.count(groups).await,
        1,
        "and yet it took place"
    );
    let reply = waiting.await.unwrap();

    assert_eq!(
        (reply.status, reply.is_replay()),
        (201, false),
        "it is the first answer: {}",
        reply.text()
    );
    assert_eq!(next.insist().await.status, 201);
    assert_eq!(world.market.stock_of(product).await, (6, 4));
    assert_consistent(&world.market.database).await;
    world.server.terminate();
    assert!(world.server.ended().await.success());
}
