//! A count is carried out once per key; the truth about the key is in PostgreSQL.

use serde_json::{Value, json};

use crate::support::{Client, Product, Reply, Server, client::fresh_key, crowd::together, wait};

use super::{Shop, request};

fn body(product: Product, delta: i32) -> Value {
    json!({ "items": [{ "product_id": product.id, "delta_qty": delta }] })
}

#[tokio::test]
async fn a_retry_hears_the_first_answer_and_changes_nothing() {
    let shop = Shop::with_stock(&[10]).await;
    let product = shop.products[0];
    let (key, body) = (fresh_key(), body(product, 5));
    let put = async || Client::send(request(&shop.client, &key, &body)).await;
    let first = put().await;
    assert_eq!((first.status, first.is_replay()), (200, false));
    shop.sell(product, 3).await;

    // From Redis, and from PostgreSQL.
    for is_known in [true, false] {
        if !is_known {
            shop.world.redis.empty().await;
        }
        let again = put().await;
        assert_eq!((again.status, again.is_replay()), (200, true));
        assert_eq!(again.bytes, first.bytes);
    }

    assert_eq!(shop.stock(product).await, (12, 3, 1));
}

#[tokio::test]
async fn a_key_of_another_count_is_refused() {
    let shop = Shop::with_stock(&[10]).await;
    let product = shop.products[0];
    let key = fresh_key();
    let put = async |delta| Client::send(request(&shop.client, &key, &body(product, delta))).await;
    assert_eq!(put(1).await.status, 200);
    for is_known in [true, false] {
        if !is_known {
            shop.world.redis.empty().await;
        }
        let reply = put(2).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (409, "IDEMPOTENCY_KEY_REUSED")
        );
    }
    assert_eq!(shop.stock(product).await, (11, 0, 1));
}

/// Without Redis, nothing but PostgreSQL keeps the two instances apart.
#[tokio::test]
async fn one_key_on_two_instances_at_once_counts_once() {
    let shop = Shop::with_stock(&[10, 10]).await;
    let url = &shop.world.market.database.url;
    let alone = [("SPLITCART_REDIS_TIMEOUT_MS", "50")];
    let other = Server::start(url, "redis://localhost:1", &alone).await;
    shop.world.redis.freeze();
    for _ in 0..10 {
        let (key, body) = (fresh_key(), body(shop.products[0], 1));
        let there = shop.client.on(&other);
        let replies = together([
            request(&shop.client, &key, &body),
            request(&there, &key, &body),
        ])
        .await;
        let fresh = |reply: &&Reply| reply.status == 200 && !reply.is_replay();
        assert_eq!(replies.iter().filter(fresh).count(), 1, "{replies:?}");
    }
    shop.world.redis.thaw();
    assert_eq!(shop.stock(shop.products[0]).await, (20, 0, 10));
}

#[tokio::test]
async fn keys_of_counts_are_swept_when_they_have_expired() {
    let shop = Shop::with_stock(&[10]).await;
    let (key, body) = (fresh_key(), body(shop.products[0], 1));
    assert_eq!(
        Client::send(request(&shop.client, &key, &body))
            .await
            .status,
        200
    );
    let database = &shop.world.market.database;
    let keys = "select count(*) from inventory_keys where expires_at > now() + interval '23 hours'";
    assert_eq!(database.count(keys).await, 1);
    let age = "update inventory_keys set created_at = now() - interval '2 days',
               expires_at = now() - interval '1 day'";
    database.run(age).await;
    shop.world.redis.empty().await;
    // An expired key that no sweeper has removed can be used again.
    let again = Client::send(request(&shop.client, &key, &body)).await;
    assert_eq!((again.status, again.is_replay()), (200, false));
    database.run(age).await;

    let _later = Server::start(&database.url, &shop.world.redis.url, &[]).await;

    let left = "select count(*) from inventory_keys";
    wait::until("the key is swept", async || database.count(left).await == 0).await;
}
