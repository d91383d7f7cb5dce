//! `kill -9` and SIGTERM at the worst places: a checkout is wholly there or not at all, and a retry
//! with the same key gets the one answer (PF-080, PF-081).
#![cfg(feature = "faults")]

use std::path::PathBuf;

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::support::{
    Client, Product, Reply, Server, Shopper, World, assert_consistent,
    market::cart_of,
    patience::{LONG_LOCKS, patient},
    wait,
};

/// A crashed server's claims on keys and on events are free again soon.
const SHORT_LEASES: [(&str, &str); 2] = [
    ("SPLITCART_IDEMPOTENCY_CLAIM_LEASE_MS", "300"),
    ("SPLITCART_OUTBOX_CLAIM_LEASE_S", "1"),
];

/// The state that a crash leaves behind.
struct Crashed {
    world: World,
    shopper: Shopper,
    product: Product,
    _dir: TempDir,
}

/// Checks out at a server that stops at a place, checks whether the checkout was committed by then, and
/// kills the server.
async fn crash_at(place: &str, committed: bool) -> Crashed {
    let dir = tempfile::tempdir().unwrap();
    let reached: PathBuf = dir.path().join("reached");
    let mut world = World::with_settings(&SHORT_LEASES).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let fault = format!("{place}:{}", reached.display());
    world.server = start(
        &world,
        &[
            SHORT_LEASES[0],
            SHORT_LEASES[1],
            ("SPLITCART_FAULT", &fault),
        ],
    )
    .await;

    let request = shopper.at(&world.server).request();
    let caller = tokio::spawn(Client::try_send(request));
    wait::until("the fault's place is reached", async || {
        std::fs::read_to_string(&reached).is_ok_and(|text| text == place)
    })
    .await;
    assert_eq!(groups(&world).await, i64::from(committed), "{place}");
    world.server.kill();
    let answer = caller.await.unwrap();
    // Redis gets the answer after the caller does.
    assert!(
        answer.is_err() || place == "after_redis",
        "the caller was never answered: {answer:?}"
    );

    world.server = start(&world, &SHORT_LEASES).await;
    let shopper = shopper.at(&world.server);
    Crashed {
        world,
        shopper,
        product,
        _dir: dir,
    }
}

async fn start(world: &World, settings: &[(&str, &str)]) -> Server {
    Server::start(&world.market.database.url, &world.redis.url, settings).await
}

async fn groups(world: &World) -> i64 {
    let groups = "select count(*) from checkout_groups";
    world.market.database.count(groups).await
}

impl Crashed {
    /// Retries until there is an answer, and checks the stored data.
    async fn assert_the_retry_is_answered_once(&self) -> Reply {
        let retry = self.shopper.insist().await;
        let again = self.shopper.check_out().await;
        assert!(again.is_replay() && again.bytes == retry.bytes);
        assert_eq!(groups(&self.world).await, 1);
        assert_eq!(self.world.market.stock_of(self.product).await, (8, 2));
        wait::until("it is announced", async || {
            let waiting = "select count(*) from outbox_events where published_at is null";
            self.world.market.database.count(waiting).await == 0
        })
        .await;
        // The relay was killed too, perhaps between publishing and marking.
        let mut events = self.world.redis.events().await;
        events.dedup();
        assert_eq!(events.len(), 1);
        assert_consistent(&self.world.market.database).await;
        retry
    }

    /// The answer that was written in the transaction before the crash.
    async fn first_answer(&self) -> Vec<u8> {
        sqlx::query_scalar("select response_body from idempotency_keys")
            .fetch_one(&self.world.market.database.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn killed_before_begin_nothing_was_done_and_the_retry_buys() {
    let crashed = crash_at("before_begin", false).await;
    let retry = crashed.assert_the_retry_is_answered_once().await;
    assert!(!retry.is_replay());
}

#[tokio::test]
async fn killed_after_the_reservation_the_stock_comes_back_and_the_retry_buys() {
    let crashed = crash_at("after_reservation", false).await;
    wait::until("PostgreSQL has rolled back", async || {
        let open = "select count(*) from pg_stat_activity where datname = current_database()
                    and application_name = 'splitcart checkout' and xact_start is not null";
        crashed.world.market.database.count(open).await == 0
    })
    .await;
    assert_eq!(
        crashed.world.market.stock_of(crashed.product).await,
        (10, 0)
    );
    let retry = crashed.assert_the_retry_is_answered_once().await;
    assert!(!retry.is_replay());
}

/// `kill -9` between commit and reply.
#[tokio::test]
async fn killed_between_commit_and_reply_the_retry_replays_what_was_committed() {
    let crashed = crash_at("after_commit", true).await;
    let first = crashed.first_answer().await;
    let retry = crashed.assert_the_retry_is_answered_once().await;
    assert!(retry.is_replay());
    assert_eq!((retry.status, retry.bytes), (201, first));
}

#[tokio::test]
async fn killed_after_redis_was_told_the_retry_replays_from_redis() {
    let crashed = crash_at("after_redis", true).await;
    let first = crashed.first_answer().await;
    let retry = crashed.shopper.check_out().await;
    assert!(retry.is_replay());
    assert_eq!((retry.status, &retry.bytes), (201, &first));
    let from_redis = "splitcart_replays_total{source=\"redis\"}";
    assert_eq!(crashed.world.server.metric(from_redis).await, 1.0);
    crashed.assert_the_retry_is_answered_once().await;
}

/// Checkouts that were and were not committed before the crash, in the middle of a load.
#[tokio::test]
async fn killed_under_load_every_acknowledged_checkout_is_there_and_every_retry_ends_in_one() {
    let mut world = loaded_world().await;
    let product = world.market.sold_product(500, 100).await;
    let shoppers = forty_shoppers(&world, product).await;

    let load = tokio::spawn(try_all(&shoppers));
    wait::until("some have bought", async || groups(&world).await >= 3).await;
    world.server.kill();
    let answers = load.await.unwrap();

    assert!(answers.iter().any(Option::is_none), "some were cut off");
    world.server = start(&world, &SHORT_LEASES).await;
    for (shopper, answer) in shoppers.iter().zip(answers) {
        let retry = shopper.at(&world.server).insist().await;
        if let Some(first) = answer {
            assert_eq!(first.status, 201);
            assert!(retry.is_replay() && retry.bytes == first.bytes);
        }
    }
    assert_eq!(groups(&world).await, 40);
    assert_eq!(world.market.stock_of(product).await, (60, 40));
    assert_consistent(&world.market.database).await;
}

/// SIGTERM: accepted requests are answered and announced, others did nothing.
#[tokio::test]
async fn terminated_under_load_it_finishes_what_it_accepted() {
    let mut world = loaded_world().await;
    let product = world.market.sold_product(500, 100).await;
    let shoppers = forty_shoppers(&world, product).await;

    let load = tokio::spawn(try_all(&shoppers));
    wait::until("some have bought", async || groups(&world).await >= 3).await;
    world.server.terminate();
    let answers = load.await.unwrap();
    let status = world.server.ended().await;

    assert_eq!(status.code(), Some(0), "{}", world.server.log().join("\n"));
    let bought = answers.iter().flatten().filter(|it| it.status == 201);
    assert_eq!(groups(&world).await, bought.count() as i64);
    for answer in answers.iter().flatten() {
        assert!(answer.status == 201 || answer.code() == "OVERLOADED");
    }
    let left = "select count(*) from outbox_events where published_at is null";
    assert_eq!(world.market.database.count(left).await, 0);
    let events = world.redis.events().await.len();
    assert_eq!(events as i64, groups(&world).await);
    assert_consistent(&world.market.database).await;
    // Buyers who were refused buy at the next server.
    world.server = start(&world, &SHORT_LEASES).await;
    for shopper in &shoppers {
        assert_eq!(shopper.at(&world.server).insist().await.status, 201);
    }
    assert_eq!(world.market.stock_of(product).await, (60, 40));
    assert_consistent(&world.market.database).await;
}

/// A client that hangs up stops nothing.
#[tokio::test]
async fn a_client_that_hangs_up_finds_its_checkout_done() {
    let settings = patient(&[LONG_LOCKS]);
    let world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let held = world.market.hold_stock(product).await;

    let impatient = tokio::spawn(Client::try_send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    held.rollback().await.unwrap();
    wait::until("it is done", async || groups(&world).await == 1).await;

    let retry = shopper.insist().await;
    assert!(retry.is_replay());
    assert_eq!(world.market.stock_of(product).await, (8, 2));
    assert_consistent(&world.market.database).await;
}

/// A world whose checkouts are slow enough to be interrupted halfway.
async fn loaded_world() -> World {
    let settings = [
        SHORT_LEASES[0],
        SHORT_LEASES[1],
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
        ("SPLITCART_BATCH_MAX", "1"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
    ];
    World::with_settings(&settings).await
}

async fn forty_shoppers(world: &World, product: Product) -> Vec<Shopper> {
    let carts = vec![cart_of(&[(product, 1)]); 40];
    Shopper::with_carts(&world.market, &world.server, &carts).await
}

/// Sends all checkouts at once; `None` for a connection that was cut before the answer.
fn try_all(shoppers: &[Shopper]) -> impl Future<Output = Vec<Option<Reply>>> + use<> {
    let requests: Vec<_> = shoppers.iter().map(Shopper::request).collect();
    join_all(requests.into_iter().map(answer_of))
}

async fn answer_of(request: reqwest::RequestBuilder) -> Option<Reply> {
    Client::try_send(request).await.ok()
}
