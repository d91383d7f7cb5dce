//! `kill -9` at the worst places: a count is wholly there or not at all, and its retry counts once.

use serde_json::json;

use crate::support::{
    Client, Reply, Server, World, assert_consistent,
    client::fresh_key,
    crowd::{is_in_progress, is_refused},
    wait,
};

use super::{Shop, request};

/// A crashed server's claims on keys are free again soon.
const SHORT_LEASE: (&str, &str) = ("SPLITCART_IDEMPOTENCY_CLAIM_LEASE_MS", "300");

/// Kills the server at a place and retries at the next one.
async fn retried_after_a_kill_at(place: &str, is_committed: bool) {
    let dir = tempfile::tempdir().unwrap();
    let reached = dir.path().join("reached");
    let fault = format!("{place}:{}", reached.display());
    let world = World::with_settings(&[SHORT_LEASE, ("SPLITCART_FAULT", &fault)]).await;
    let mut shop = Shop::in_world(world, &[10, 20]).await;
    let items: Vec<_> = shop
        .products
        .iter()
        .map(|product| json!({ "product_id": product.id, "delta_qty": 5 }))
        .collect();
    let (key, body) = (fresh_key(), json!({ "items": items }));
    let caller = tokio::spawn(Client::try_send(request(&shop.client, &key, &body)));
    wait::until("the fault's place is reached", async || {
        std::fs::read_to_string(&reached).is_ok_and(|text| text == place)
    })
    .await;
    shop.world.server.kill();
    assert!(
        caller.await.unwrap().is_err(),
        "the caller was never answered"
    );
    let (available, ..) = shop.stock(shop.products[0]).await;
    assert_eq!(available, if is_committed { 15 } else { 10 }, "{place}");

    let url = &shop.world.market.database.url;
    let server = Server::start(url, &shop.world.redis.url, &[SHORT_LEASE]).await;
    let client = shop.client.on(&server);
    let mut last: Option<Reply> = None;
    wait::until("the retry is answered finally", async || {
        let reply = Client::send(request(&client, &key, &body)).await;
        let later = is_refused(&reply) || is_in_progress(&reply);
        last = Some(reply);
        !later
    })
    .await;
    let retry = last.unwrap();
    assert_eq!(
        (retry.status, retry.is_replay()),
        (200, is_committed),
        "{place}"
    );
    let again = Client::send(request(&client, &key, &body)).await;
    assert!(again.is_replay() && again.bytes == retry.bytes);

    assert_eq!(shop.stock(shop.products[0]).await, (15, 0, 1));
    assert_eq!(shop.stock(shop.products[1]).await, (25, 0, 1));
    assert_consistent(&shop.world.market.database).await;
}

#[tokio::test]
async fn killed_while_the_rows_are_locked_nothing_was_done_and_the_retry_counts() {
    retried_after_a_kill_at("stock_locked", false).await;
}

#[tokio::test]
async fn killed_before_the_commit_nothing_was_done_and_the_retry_counts() {
    retried_after_a_kill_at("stock_written", false).await;
}

#[tokio::test]
async fn killed_after_the_commit_the_retry_replays_what_was_committed() {
    retried_after_a_kill_at("after_commit", true).await;
}

/// The commit took place, but its answer was lost: the next attempt finds its own key.
#[tokio::test]
async fn a_count_whose_commit_is_never_answered_takes_effect_once() {
    let dir = tempfile::tempdir().unwrap();
    let reached = dir.path().join("reached");
    let fault = format!("commit_unanswered:{}", reached.display());
    let world = World::with_settings(&[("SPLITCART_FAULT", &fault)]).await;
    let shop = Shop::in_world(world, &[10]).await;
    let item = json!({ "product_id": shop.products[0].id, "delta_qty": 5 });

    let reply = super::count(&shop.client, &[item]).await;

    assert!(reached.exists(), "the place was never reached");
    assert_eq!(
        (reply.status, reply.is_replay()),
        (200, false),
        "{}",
        reply.text()
    );
    assert_eq!(shop.stock(shop.products[0]).await, (15, 0, 1));
}
