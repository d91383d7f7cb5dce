//! Redis may die, hang, fill up or lose data at any moment: that costs time, never correctness (PF-081).

use std::time::{Duration, Instant};

use redis::AsyncCommands;

use crate::support::{
    Client, Product, Redis, Server, Shopper, World, assert_consistent,
    client::fresh_key,
    crowd::{is_in_progress, together},
    market::cart_of,
    patience::{LONG_LOCKS, PATIENT, patient},
    wait,
};

/// Redis is tried again right after a failure.
const NO_PAUSE: (&str, &str) = ("SPLITCART_REDIS_PAUSE_MS", "1");

async fn shopper_of(world: &World) -> (Shopper, Product) {
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    (shopper, product)
}

async fn assert_bought_once(world: &World, product: Product) {
    let groups = "select count(*) from checkout_groups";
    assert_eq!(world.market.database.count(groups).await, 1);
    assert_eq!(world.market.stock_of(product).await, (8, 2));
    assert_consistent(&world.market.database).await;
}

async fn replays_from(world: &World, source: &str) -> f64 {
    let metric = format!("splitcart_replays_total{{source=\"{source}\"}}");
    world.server.metric(&metric).await
}

#[tokio::test]
async fn an_emptied_redis_leaves_the_replay_to_postgresql() {
    let world = World::start().await;
    let (shopper, product) = shopper_of(&world).await;
    let first = shopper.check_out().await;
    assert_eq!(first.status, 201);

    world.redis.empty().await;
    let replay = shopper.check_out().await;

    assert!(replay.is_replay());
    assert_eq!((replay.status, &replay.bytes), (201, &first.bytes));
    assert_eq!(replays_from(&world, "postgresql").await, 1.0);
    assert_eq!(replays_from(&world, "redis").await, 0.0);
    assert_bought_once(&world, product).await;
}

/// A client with write access to Redis can put anything beside a fingerprint.
#[tokio::test]
async fn an_answer_in_redis_that_is_none_of_ours_leaves_the_replay_to_postgresql() {
    let world = World::with_settings(&[NO_PAUSE]).await;
    let (shopper, product) = shopper_of(&world).await;
    let first = shopper.check_out().await;
    assert_eq!(first.status, 201);
    let mut redis = world.redis.connect().await.unwrap();
    let is_kept = "splitcart:idempotency:*";
    let mut answers = Vec::new();
    wait::until("the answer is kept", async || {
        let mut found = Vec::new();
        for name in redis.keys::<_, Vec<String>>(is_kept).await.unwrap() {
            if redis.hget::<_, _, Option<u16>>(&name, "status").await == Ok(Some(201)) {
                found.push(name);
            }
        }
        answers = found;
        !answers.is_empty()
    })
    .await;

    for (field, value) in [
        ("status", "42"),
        ("status", "1000"),
        ("status", "302"),
        ("status", "none"),
        ("body", "\u{2}"),
    ] {
        for name in &answers {
            redis.hset::<_, _, _, ()>(name, field, value).await.unwrap();
        }
        let replay = shopper.check_out().await;

        let heard = (replay.status, &replay.bytes);
        assert_eq!(heard, (201, &first.bytes), "{field} {value}");
        assert!(replay.is_replay(), "{field} {value}");
    }

    assert_bought_once(&world, product).await;
}

#[tokio::test]
async fn a_server_that_starts_without_redis_sells_and_finds_it_later() {
    let mut world = World::start().await;
    let (shopper, product) = shopper_of(&world).await;
    world.redis.kill().await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    world.server = Server::start(database_url, redis_url, &[NO_PAUSE]).await;
    let shopper = shopper.at(&world.server);

    let first = shopper.check_out().await;
    let replay = shopper.check_out().await;

    assert_eq!((first.status, first.is_replay()), (201, false));
    assert!(replay.is_replay() && replay.bytes == first.bytes);
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
    let (status, ready) = world.server.operations("/readyz").await;
    assert_eq!(status, 200, "Redis is reported, not required: {ready}");
    world.redis.restart().await;
    let (later, _) = shopper_of(&world).await;
    assert_the_fast_path_works(&world, &later).await;
    // The stream was emptied on the way, so the test asks the outbox.
    let unpublished = "select count(*) from outbox_events where published_at is null";
    wait::until("every event is published", async || {
        world.market.database.count(unpublished).await == 0
    })
    .await;
    assert_eq!(world.market.stock_of(product).await, (8, 2));
    assert_consistent(&world.market.database).await;
}

/// Sends the checkout again until an answer comes from Redis.
async fn assert_the_fast_path_works(world: &World, shopper: &Shopper) {
    let before = replays_from(world, "redis").await;
    let first = shopper.check_out().await;
    assert_eq!(first.status, 201, "{}", first.text());
    world.redis.empty().await;
    wait::until("another first answer is kept in Redis", async || {
        let (other, _) = shopper_of(world).await;
        let first = other.check_out().await;
        let replay = other.check_out().await;
        assert!(replay.is_replay() && replay.bytes == first.bytes);
        replays_from(world, "redis").await > before
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_killed_under_load_costs_nobody_anything_but_time() {
    let settings = patient(&[NO_PAUSE, ("SPLITCART_BATCH_MAX", "2")]);
    let mut world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 40];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let requests: Vec<_> = shoppers.iter().map(Shopper::request).collect();

    let load = tokio::spawn(together(requests));
    let database = &world.market.database;
    wait::until("some have bought", async || {
        database.count("select count(*) from checkout_groups").await >= 4
    })
    .await;
    world.redis.kill().await;
    let replies = load.await.unwrap();

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert_eq!(world.market.stock_of(product).await, (60, 40));
    for (shopper, first) in shoppers.iter().zip(&replies) {
        let replay = shopper.check_out().await;
        assert!(replay.is_replay() && replay.bytes == first.bytes);
    }
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn a_frozen_redis_delays_a_request_by_a_bounded_time() {
    let world = World::with_settings(&[("SPLITCART_REDIS_TIMEOUT_MS", "200")]).await;
    let (shopper, product) = shopper_of(&world).await;
    world.redis.freeze();

    let started = Instant::now();
    let first = shopper.check_out().await;
    let replay = shopper.check_out().await;
    let took = started.elapsed();

    world.redis.thaw();
    assert_eq!((first.status, first.is_replay()), (201, false));
    assert!(replay.is_replay() && replay.bytes == first.bytes);
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
    assert!(
        took > Duration::from_millis(200),
        "it really hung: {took:?}"
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_bought_once(&world, product).await;
    let (later, _) = shopper_of(&world).await;
    assert_the_fast_path_works(&world, &later).await;
}

#[tokio::test]
async fn a_full_redis_neither_refuses_nor_doubles_a_checkout() {
    let world = World::with_settings(&[NO_PAUSE]).await;
    let (shopper, product) = shopper_of(&world).await;
    let mut connection = world.redis.connect().await.unwrap();
    fill_up(&world.redis).await;

    let first = shopper.check_out().await;
    let replay = shopper.check_out().await;

    assert_eq!((first.status, first.is_replay()), (201, false));
    assert!(replay.is_replay() && replay.bytes == first.bytes);
    world.server.until_logged("maxmemory").await;
    assert_bought_once(&world, product).await;
    // The event waits until there is room, and no attempt counts against it.
    let refused = "select count(*) from outbox_events where published_at is null
                   and attempts = 0 and last_error like '%maxmemory%'";
    wait::until("the relay has tried", async || {
        world.market.database.count(refused).await == 1
    })
    .await;
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "0"])
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    wait::until("the event is published", async || {
        world.redis.events().await.len() == 1
    })
    .await;
    let (later, _) = shopper_of(&world).await;
    assert_the_fast_path_works(&world, &later).await;
}

/// Fills Redis until it has no room for anything new.
async fn fill_up(redis: &Redis) {
    let mut connection = redis.connect().await.unwrap();
    redis::cmd("SET")
        .arg("ballast")
        .arg(vec![b'x'; 2_000_000])
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "1mb"])
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    let one_more = redis::cmd("SET")
        .arg("one more")
        .arg("x")
        .query_async::<()>(&mut connection)
        .await;
    assert_eq!(one_more.unwrap_err().code(), Some("OOM"));
}

#[tokio::test]
async fn a_restarted_redis_is_used_again() {
    let mut world = World::with_settings(&[NO_PAUSE]).await;
    let (shopper, product) = shopper_of(&world).await;
    world.redis.kill().await;
    let first = shopper.check_out().await;
    assert_eq!(first.status, 201);
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);

    world.redis.restart().await;

    assert!(shopper.check_out().await.bytes == first.bytes);
    assert_bought_once(&world, product).await;
    let (later, _) = shopper_of(&world).await;
    assert_the_fast_path_works(&world, &later).await;
}

/// The claim is gone while its owner still works, so a second request works on the same key: the
/// cart's row in PostgreSQL decides.
#[tokio::test]
async fn a_claim_that_is_lost_while_its_request_runs_leads_to_one_group() {
    let settings = patient(&[("SPLITCART_IDEMPOTENCY_CLAIM_LEASE_MS", "100"), LONG_LOCKS]);
    let world = World::with_settings(&settings).await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &settings).await;
    let (shopper, product) = shopper_of(&world).await;
    let there = shopper.at(&other);
    let held = world.market.hold_stock(product).await;

    let slow = shopper.clone();
    let slow = tokio::spawn(async move { slow.check_out().await });
    world.market.until_a_checkout_waits_for_a_lock().await;
    // While the owner renews it, the claim outlives its lease.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(is_in_progress(&there.check_out().await));
    // The owner can't renew a claim that Redis has lost.
    world.redis.empty().await;
    let second = tokio::spawn(async move { there.check_out().await });
    wait::until("both work on the same key", async || {
        other.metric("splitcart_coordinator_set_aside").await == 1.0
    })
    .await;
    held.rollback().await.unwrap();
    let (first, second) = (slow.await.unwrap(), second.await.unwrap());

    assert_eq!((first.status, second.status), (201, 201));
    assert!(!first.is_replay() && second.is_replay());
    assert_eq!(first.bytes, second.bytes);
    assert_bought_once(&world, product).await;
}

#[tokio::test]
async fn without_redis_twenty_requests_with_one_key_buy_once() {
    let mut world = World::with_settings(&PATIENT).await;
    let (shopper, product) = shopper_of(&world).await;
    world.redis.kill().await;

    let replies = together((0..20).map(|_| shopper.request())).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert!(replies.iter().all(|it| it.bytes == replies[0].bytes));
    assert_eq!(replies.iter().filter(|it| !it.is_replay()).count(), 1);
    assert_eq!(replays_from(&world, "postgresql").await, 19.0);
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
    assert_bought_once(&world, product).await;
}

/// Settings under which a claim would outlive the test's patience unless it is given up.
const ONE_WORKER: [(&str, &str); 2] = [
    ("SPLITCART_HTTP_WORKERS", "1"),
    ("SPLITCART_REDIS_TIMEOUT_MS", "200"),
];
/// A claim's lease, less the time that everything else may take.
const WELL_WITHIN_THE_LEASE: Duration = Duration::from_secs(8);

/// Waits until the server has given Redis another try after its pause.
async fn until_redis_is_used_again(world: &World) {
    let before = replays_from(world, "redis").await;
    let (other, _) = shopper_of(world).await;
    assert_eq!(other.check_out().await.status, 201);
    let cart = cart_of(&[(world.market.sold_product(500, 10).await, 1)]);
    wait::until("a replay comes from Redis", async || {
        let key = fresh_key();
        for _ in 0..2 {
            assert_eq!(other.client.put_cart(&key, &cart).await.status, 200);
        }
        replays_from(world, "redis").await > before
    })
    .await;
}

/// Redis took the claim, but its answer was lost, and the service left Redis alone when the claim was
/// to be released. "A 4xx or 5xx leaves the key free" holds all the same.
#[tokio::test]
async fn a_refused_request_s_key_is_free_even_if_redis_hung_meanwhile() {
    let world = World::with_settings(&ONE_WORKER).await;
    let (shopper, _) = shopper_of(&world).await;
    let body = serde_json::json!({ "cart_id": uuid::Uuid::now_v7() });
    let key = fresh_key();
    let ask = async || Client::send(shopper.client.checkout_request(&key, &body)).await;

    world.redis.freeze();
    let started = Instant::now();
    assert_eq!(ask().await.status, 404);
    world.redis.thaw();
    until_redis_is_used_again(&world).await;
    let again = ask().await;

    assert!(started.elapsed() < WELL_WITHIN_THE_LEASE, "{started:?}");
    assert_eq!((again.status, again.code().as_str()), (404, "NOT_FOUND"));
    assert!(world.server.metric("splitcart_redis_failures").await > 0.0);
}

/// The answer could not be kept in Redis; the claim must not remain in its place.
#[tokio::test]
async fn a_success_that_redis_did_not_take_is_replayed_at_once() {
    let pause = ("SPLITCART_REDIS_PAUSE_MS", "20000");
    let world =
        World::with_settings(&[&patient(&[pause, LONG_LOCKS])[..], &ONE_WORKER].concat()).await;
    let other = Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    let (shopper, product) = shopper_of(&world).await;
    let held = world.market.hold_stock(product).await;
    let slow = shopper.clone();
    let slow = tokio::spawn(async move { slow.check_out().await });
    world.market.until_a_checkout_waits_for_a_lock().await;
    // The slow checkout has its claim. Another request finds that Redis hangs, so Redis is left alone
    // from now on.
    world.redis.freeze();
    assert_eq!(
        shopper
            .client
            .put_cart(&fresh_key(), &serde_json::json!({}))
            .await
            .status,
        400
    );
    let cart = cart_of(&[(world.market.sold_product(500, 10).await, 1)]);
    let stranger = world.client(&world.market.buyer().await);
    assert_eq!(stranger.put_cart(&fresh_key(), &cart).await.status, 200);
    world.redis.thaw();
    held.rollback().await.unwrap();
    let first = slow.await.unwrap();
    let started = Instant::now();
    assert_eq!(first.status, 201);

    let there = shopper.at(&other);
    let mut replay = there.check_out().await;
    while is_in_progress(&replay) {
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "the claim stays"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        replay = there.check_out().await;
    }

    assert!(replay.is_replay() && replay.bytes == first.bytes);
    assert_bought_once(&world, product).await;
}
