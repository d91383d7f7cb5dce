//! Admission: the requests that get a slot, those that wait, and those that are refused on arrival.

use std::time::{Duration, Instant};

use sqlx::{Postgres, Transaction};
use tokio::task::JoinHandle;

use crate::support::{
    Client, Reply, Shopper, World, assert_consistent, crowd::check_out_together, market::cart_of,
    wait,
};

const DEPTH: &str = "splitcart_coordinator_mailbox_depth";

/// One slot, which a transaction keeps for as long as it waits for a row.
const PATIENT: [(&str, &str); 5] = [
    ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
    ("SPLITCART_LOCK_MS_MAX", "20000"),
    ("SPLITCART_TRANSACTION_MS_MAX", "20000"),
    ("SPLITCART_BATCH_MAX", "1"),
];

/// The pace of earlier batches predicts a new request's wait: a request that would wait too long is
/// answered 503 at once, not after the wait.
#[tokio::test]
async fn who_would_wait_too_long_is_refused_at_once() {
    let world = World::with_settings(&PATIENT).await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 4];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let held = world.market.hold_stock(product).await;
    let first = tokio::spawn(Client::send(shoppers[0].request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    // The first one shows that a batch takes more than two seconds at present.
    wait::until("a batch has taken long", {
        let started = Instant::now();
        async move || started.elapsed() > Duration::from_millis(2100)
    })
    .await;
    held.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().status, 201);
    let held = world.market.hold_stock(product).await;
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
    let retry_after: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&retry_after), "{retry_after}");
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

/// A world in which one transaction waits for a row, with carts of another product.
async fn one_is_blocked(settings: &[(&str, &str)]) -> Blocked {
    let world = World::with_settings(settings).await;
    let locked = world.market.sold_product(500, 100).await;
    let free = world.market.sold_product(300, 100).await;
    let mut carts = vec![cart_of(&[(locked, 1)])];
    carts.resize(4, cart_of(&[(free, 1)]));
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let held = world.market.hold_stock(locked).await;
    let blocked = tokio::spawn(Client::send(shoppers[0].request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    Blocked {
        world,
        shoppers,
        held,
        waiting: blocked,
    }
}

struct Blocked {
    world: World,
    shoppers: Vec<Shopper>,
    held: Transaction<'static, Postgres>,
    waiting: JoinHandle<Reply>,
}

impl Blocked {
    async fn let_go(self) {
        self.held.rollback().await.unwrap();
        assert_eq!(self.waiting.await.unwrap().status, 201);
        assert_consistent(&self.world.market.database).await;
    }
}

/// Beside a transaction that has become slow the next one starts, even for a few commands.
#[tokio::test]
async fn a_slow_transaction_does_not_keep_a_free_slot_from_the_next() {
    let settings = [
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "2"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
        ("SPLITCART_LOCK_MS_MAX", "20000"),
        ("SPLITCART_TRANSACTION_MS_MAX", "20000"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
    ];
    let stage = one_is_blocked(&settings).await;

    let replies = check_out_together(&stage.shoppers[1..]).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert!(!stage.waiting.is_finished(), "it still waits");
    stage.let_go().await;
}

/// An overdue transaction gives its slot up: with one slot only, the next starts beside it.
#[tokio::test]
async fn an_overdue_transaction_gives_its_slot_up() {
    let settings = [
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "1"),
        ("SPLITCART_LOCK_MS_MAX", "20000"),
        ("SPLITCART_TRANSACTION_MS_MAX", "20000"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
    ];
    let stage = one_is_blocked(&settings).await;

    let replies = check_out_together(&stage.shoppers[1..]).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert!(!stage.waiting.is_finished(), "it still waits");
    let overdue = "splitcart_coordinator_overdue";
    assert_eq!(stage.world.server.metric(overdue).await, 1.0);
    stage.let_go().await;
}
