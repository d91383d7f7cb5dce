//! The truth about a cart PUT's key is in PostgreSQL: Redis may lose the key, or hang, and a retry
//! still gets its first answer.

use serde_json::{Value, json};

use crate::support::{
    Client, Product, Reply, Server, World, assert_consistent, client::fresh_key, market::cart_of,
    wait,
};

const ACTIVE_CARTS: &str = "select count(*) from cart_records where status = 'active'";

/// A buyer's cart of one product, put under a key.
struct Put {
    client: Client,
    product: Product,
    key: String,
    cart: Value,
    first: Reply,
}

async fn put(world: &World) -> Put {
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 4)]));
    let first = client.put_cart(&key, &cart).await;
    assert_eq!((first.status, first.is_replay()), (200, false));
    Put {
        client,
        product,
        key,
        cart,
        first,
    }
}

impl Put {
    async fn retry(&self) -> Reply {
        self.client.put_cart(&self.key, &self.cart).await
    }

    async fn buy(&self) {
        let id = self.first.data()["id"].as_str().unwrap().parse().unwrap();
        let bought = self.client.check_out(&fresh_key(), id).await;
        assert_eq!(bought.status, 201, "{}", bought.text());
    }

    fn assert_is_first_answer(&self, reply: &Reply) {
        assert_eq!(
            (reply.status, reply.is_replay()),
            (200, true),
            "{}",
            reply.text()
        );
        assert_eq!(reply.bytes, self.first.bytes);
    }
}

#[tokio::test]
async fn without_redis_a_retried_put_hears_its_first_answer_though_the_cart_was_replaced() {
    let world = World::start().await;
    let put = put(&world).await;
    let replaced = cart_of(&[(put.product, 1)]);
    put.client.freeze(&replaced).await;
    // Data that the answer shows may have changed since.
    world
        .market
        .database
        .run("update stores set name = 'Renamed'")
        .await;

    world.redis.empty().await;
    let retry = put.retry().await;

    put.assert_is_first_answer(&retry);
    let now = put.client.get_cart().await.data();
    assert_eq!(
        (&now["version"], &now["total"]),
        (&json!(2), &json!("5.00"))
    );
}

/// A retry stays the same request when the goods are sold out, and when the cart has been bought.
#[tokio::test]
async fn without_redis_a_retried_put_never_makes_a_second_cart_of_what_was_bought() {
    let world = World::start().await;
    let put = put(&world).await;
    put.buy().await;

    world.redis.empty().await;
    put.assert_is_first_answer(&put.retry().await);
    // A rule would refuse the cart now.
    world.market.stock(put.product, 0).await;
    world.redis.empty().await;
    put.assert_is_first_answer(&put.retry().await);

    assert_eq!(world.market.database.count(ACTIVE_CARTS).await, 0);
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn without_redis_the_same_key_with_another_cart_is_refused() {
    let world = World::start().await;
    let put = put(&world).await;
    let before = world.market.database.contents().await;

    for other in [1, 1000] {
        world.redis.empty().await;
        let other = cart_of(&[(put.product, other)]);
        let reply = put.client.put_cart(&put.key, &other).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (409, "IDEMPOTENCY_KEY_REUSED")
        );
    }

    assert_eq!(world.market.database.contents().await, before);
}

/// Other PUTs that share a transaction with a used key are carried out all the same.
#[tokio::test]
async fn without_redis_a_retry_costs_no_other_cart_of_its_batch() {
    let world = World::with_settings(&[("SPLITCART_CART_TRANSACTIONS_IN_FLIGHT", "1")]).await;
    let put = put(&world).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(world.client(&world.market.buyer().await));
    }
    world.redis.empty().await;

    let cart = cart_of(&[(put.product, 1)]);
    let requests = others
        .iter()
        .map(|client| client.put_cart_request(&fresh_key(), &cart))
        .chain([put.client.put_cart_request(&put.key, &put.cart)]);
    let replies = crate::support::crowd::together(requests).await;

    let (retry, frozen) = replies.split_last().unwrap();
    put.assert_is_first_answer(retry);
    assert!(frozen.iter().all(|it| it.status == 200 && !it.is_replay()));
    assert_eq!(world.market.database.count(ACTIVE_CARTS).await, 21);
}

/// Redis hangs. A PUT waits for it, its retry does not, and the retry's cart is bought before the first
/// PUT is carried out.
#[tokio::test]
async fn a_put_that_waited_for_redis_does_not_revive_the_cart_that_its_retry_has_bought() {
    let world = World::with_settings(&[("SPLITCART_REDIS_TIMEOUT_MS", "5000")]).await;
    let quick = [("SPLITCART_REDIS_TIMEOUT_MS", "1")];
    let other = Server::start(&world.market.database.url, &world.redis.url, &quick).await;
    // All connections are open, and the statements of the test's own first answers are prepared.
    put(&world).await.buy().await;
    let buyer = world.market.buyer().await;
    let product = world.market.sold_product(500, 10).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 2)]));

    world.redis.freeze();
    let slow = tokio::spawn(Client::send(
        world.client(&buyer).put_cart_request(&key, &cart),
    ));
    let there = other.client(&buyer);
    let first = there.put_cart(&key, &cart).await;
    assert_eq!((first.status, first.is_replay()), (200, false));
    let id = first.data()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(there.check_out(&fresh_key(), id).await.status, 201);
    assert!(!slow.is_finished(), "it waits for Redis");
    let slow = slow.await.unwrap();
    world.redis.thaw();

    assert_eq!((slow.status, slow.is_replay()), (200, true));
    assert_eq!(slow.bytes, first.bytes);
    assert_eq!(world.market.database.count(ACTIVE_CARTS).await, 0);
    assert_consistent(&world.market.database).await;
}

/// The commit took place, but its answer was lost: the second attempt finds its own key.
#[cfg(feature = "faults")]
#[tokio::test]
async fn a_put_whose_commit_is_never_answered_takes_effect_once() {
    let dir = tempfile::tempdir().unwrap();
    let reached = dir.path().join("reached");
    let fault = format!("cart_commit_unanswered:{}", reached.display());
    let world = World::with_settings(&[("SPLITCART_FAULT", &fault)]).await;

    let put = put(&world).await;

    assert!(reached.exists(), "the place was never reached");
    assert_eq!(put.first.data()["version"], 1);
    assert_eq!(put.client.get_cart().await.data()["version"], 1);
}

#[tokio::test]
async fn keys_of_carts_are_swept_when_they_have_expired() {
    let world = World::start().await;
    let put = put(&world).await;
    let database = &world.market.database;
    let keys = "select count(*) from cart_put_keys";
    assert_eq!(database.count(keys).await, 1);
    let age = "update cart_put_keys set created_at = now() - interval '2 days',
               expires_at = now() - interval '1 day'";
    database.run(age).await;

    let _later = Server::start(&database.url, &world.redis.url, &[]).await;

    wait::until("the key is swept", async || database.count(keys).await == 0).await;
    // An expired key that no sweeper has removed can be used again.
    world.redis.empty().await;
    let again = put.retry().await;
    assert_eq!((again.status, again.is_replay()), (200, false));
    database.run(age).await;
    world.redis.empty().await;
    let again = put.retry().await;
    assert_eq!((again.status, again.is_replay()), (200, false));
    assert_eq!(again.data()["version"], 3);
}

/// Times that instances compare come from PostgreSQL's clock, which they share.
#[tokio::test]
async fn a_cart_s_times_are_postgresql_s() {
    let world = World::start().await;
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&world.market.database.pool)
        .await
        .unwrap();
    // PostgreSQL's clock is an hour ahead of the service's, for every client of this database.
    let ahead = format!(
        "create function public.clock_timestamp() returns timestamptz language sql
            as 'select pg_catalog.clock_timestamp() + interval ''1 hour''';
         alter database {name} set search_path = public, pg_catalog"
    );
    world.market.database.run(&ahead).await;
    // A pooler's sessions, too, begin anew.
    let cut = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name like 'splitcart %'";
    assert!(world.market.database.count(cut).await > 0);
    let server = Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    let product = world.market.sold_product(500, 10).await;

    let client = server.client(&world.market.buyer().await);
    let reply = client
        .put_cart(&fresh_key(), &cart_of(&[(product, 1)]))
        .await;

    let frozen_at = reply.data()["updated_at"].as_str().unwrap().to_owned();
    let frozen_at: chrono::DateTime<chrono::Utc> = frozen_at.parse().unwrap();
    let ahead = (frozen_at - chrono::Utc::now()).num_minutes();
    assert!((55..=60).contains(&ahead), "{frozen_at}");
}

/// Another session holds the cart: that is not an outage.
#[tokio::test]
async fn a_put_whose_cart_is_held_for_too_long_is_told_that_we_are_busy() {
    let settings = [
        ("SPLITCART_TRANSACTION_MS_MAX", "1000"),
        ("SPLITCART_LOCK_MS_MAX", "100"),
    ];
    let world = World::with_settings(&settings).await;
    let put = put(&world).await;
    let mut foreign = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from cart_records for update")
        .execute(&mut *foreign)
        .await
        .unwrap();

    let reply = put.client.put_cart(&fresh_key(), &put.cart).await;

    assert_eq!((reply.status, reply.code().as_str()), (503, "OVERLOADED"));
    assert!(!reply.header("retry-after").is_empty());
    foreign.rollback().await.unwrap();
}
