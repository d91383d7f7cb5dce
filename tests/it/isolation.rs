//! Faults stay isolated, at default settings: a fault that touches one row, one connection or one
//! checkout affects only the requests that need it (docs/reliability.md).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use splitcart::{
    db::idempotency,
    domain::{
        idempotency::{IdempotencyKey, Scope},
        ids::{StoreId, UserId},
    },
};
use sqlx::{Postgres, Transaction};

use crate::support::{
    Client, Product, Reply, Server, Shopper, World, assert_consistent,
    crowd::{check_out_together, is_refused},
    market::{cart_of, stock_in},
    silent_proxy::{Passes, SilentProxy},
    wait,
};

/// The time within which a checkout must end that does not need the held row, on a machine that is busy
/// with other tests. Without isolation it takes several seconds.
const PROMPT: Duration = Duration::from_secs(2);
/// The time within which a checkout that needs the held row must be carried out or refused.
const REFUSED_WITHIN: Duration = Duration::from_millis(2500);
/// The default of `lock_ms_max`: who is refused at once has not waited for so long.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// The number of statements that have waited for a lock in vain.
pub const WAITS: &str = "splitcart_database_errors_total{kind=\"busy\"}";

/// A reply, and the time that it took.
async fn timed(shopper: &Shopper) -> (Reply, Duration) {
    let started = Instant::now();
    let reply = shopper.check_out().await;
    (reply, started.elapsed())
}

/// Checks out as a polite client would: retries when `Retry-After` says, with the same key, until the
/// deadline. Returns the answers, and the longest time that one took.
async fn come_back_until(shopper: &Shopper, deadline: Instant) -> (Vec<Reply>, Duration) {
    let (mut replies, mut slowest) = (Vec::new(), Duration::ZERO);
    while Instant::now() < deadline {
        let (reply, took) = timed(shopper).await;
        slowest = slowest.max(took);
        let later = is_refused(&reply);
        let retry_after: u64 = reply.header("retry-after").parse().unwrap_or(0);
        replies.push(reply);
        if !later {
            break;
        }
        let again = Instant::now() + Duration::from_secs(retry_after);
        tokio::time::sleep_until(again.min(deadline).into()).await;
    }
    (replies, slowest)
}

/// Buys the free product, in waves of several buyers at a time, until `enough` has finished. Returns
/// the number of buyers, the slowest answer, and the result of `enough`.
async fn buy_meanwhile(
    world: &World,
    free: Product,
    enough: tokio::task::JoinHandle<Vec<(Vec<Reply>, Duration)>>,
) -> (usize, Duration, Vec<(Vec<Reply>, Duration)>) {
    let (mut bought, mut slowest) = (0, Duration::ZERO);
    while !enough.is_finished() {
        let carts = vec![cart_of(&[(free, 1)]); 8];
        let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
        for (reply, took) in join_all(shoppers.iter().map(timed)).await {
            assert_eq!(reply.status, 201, "{}", reply.text());
            slowest = slowest.max(took);
            bought += 1;
        }
    }
    (bought, slowest, enough.await.unwrap())
}

/// Holds a row in another session while buyers who need it keep retrying, and others buy.
async fn others_buy_while_it_is_held(
    world: &World,
    needy: Vec<Shopper>,
    held: Transaction<'static, Postgres>,
) {
    let free = world.market.sold_product(300, 100_000).await;
    let deadline = Instant::now() + Duration::from_secs(4);
    let shoppers = needy.clone();
    let coming_back = tokio::spawn(async move {
        join_all(shoppers.iter().map(|it| come_back_until(it, deadline))).await
    });
    let (bought, slowest, of_the_needy) = buy_meanwhile(world, free, coming_back).await;

    assert!(bought >= 32, "{bought} bought meanwhile");
    assert!(
        slowest < PROMPT,
        "who did not need the row waited {slowest:?}"
    );
    for (replies, slowest) in of_the_needy {
        assert!(slowest < REFUSED_WITHIN, "who needs it waited {slowest:?}");
        assert!(replies.iter().all(is_refused), "the row was held");
    }
    held.rollback().await.unwrap();
    for shopper in &needy {
        assert_eq!(shopper.insist().await.status, 201);
    }
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn a_stock_row_that_somebody_holds_costs_only_those_who_need_it() {
    let world = World::start().await;
    let hot = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(hot, 1)]); 10];
    let needy = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let held = world.market.hold_stock(hot).await;

    others_buy_while_it_is_held(&world, needy, held).await;

    assert_eq!(world.market.stock_of(hot).await, (90, 10));
    wait::until("the row is known to be free", async || {
        world.server.metric("splitcart_held_rows").await == 0.0
    })
    .await;
}

/// A transaction holds many rows, as an import does: checkouts do not run into one after the other.
#[tokio::test]
async fn rows_of_an_import_cost_only_those_who_need_them() {
    let world = World::start().await;
    let mut carts = Vec::new();
    let mut products = Vec::new();
    for _ in 0..20 {
        let product = world.market.sold_product(500, 100).await;
        products.push(product.id);
        carts.push(cart_of(&[(product, 1)]));
    }
    let needy = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let mut held = world.market.database.pool.begin().await.unwrap();
    sqlx::query("update inventory_items set low_stock_threshold = 1 where product_id = any($1)")
        .bind(&products)
        .execute(&mut *held)
        .await
        .unwrap();

    others_buy_while_it_is_held(&world, needy, held).await;
}

#[tokio::test]
async fn a_cart_that_somebody_holds_costs_only_its_buyer() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let needy = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    let mut held = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from cart_records where id = $1 for update")
        .bind(needy.cart_id)
        .execute(&mut *held)
        .await
        .unwrap();

    others_buy_while_it_is_held(&world, vec![needy], held).await;
}

/// Another transaction has written the first answer of a key, which no statement can see.
#[tokio::test]
async fn a_key_that_somebody_holds_costs_only_its_buyer() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let needy = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    let held = hold_key(&world, &needy).await;

    others_buy_while_it_is_held(&world, vec![needy], held).await;
}

/// A checkout that was alone with a held key fails no batch when it comes back.
#[tokio::test]
async fn a_key_that_stays_held_fails_one_batch_and_not_one_with_every_retry() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let needy = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    let held = hold_key(&world, &needy).await;
    let retries = async || world.server.metric("splitcart_batch_retries").await;
    let (refused, _) = timed(&needy).await;
    assert!(is_refused(&refused), "{}", refused.text());
    let after_the_first = retries().await;
    assert!(after_the_first > 0.0, "a batch has failed");

    wait::until(
        "it was tried once more, and waited for the key",
        async || {
            let (reply, took) = timed(&needy).await;
            assert!(is_refused(&reply), "{}", reply.text());
            took >= LOCK_WAIT
        },
    )
    .await;

    assert!((retries().await - after_the_first).abs() < 0.5);
    held.rollback().await.unwrap();
    assert_eq!(needy.insist().await.status, 201);
}

#[tokio::test]
async fn held_keys_are_told_from_free_ones_and_from_those_that_were_bought_with() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 3];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    assert_eq!(shoppers[0].check_out().await.status, 201);
    let held = hold_key(&world, &shoppers[1]).await;
    let keys = async || {
        sqlx::query_scalar::<_, i64>("select count(*) from idempotency_keys")
            .fetch_one(&world.market.database.pool)
            .await
            .unwrap()
    };
    let before = keys().await;

    let scopes: Vec<_> = shoppers.iter().map(scope_of).collect();
    let mut connection = world.market.database.pool.acquire().await.unwrap();
    let found = idempotency::find_held(&mut connection, &scopes.iter().collect::<Vec<_>>()).await;

    assert_eq!(found.unwrap(), [1]);
    assert_eq!(keys().await, before, "nothing stays written");
    let lock_timeout: String = sqlx::query_scalar("select current_setting('lock_timeout')")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_ne!(lock_timeout, "1ms", "it was only for that statement");
    held.rollback().await.unwrap();
}

fn scope_of(shopper: &Shopper) -> Scope {
    Scope {
        user_id: UserId::new(shopper.buyer.user_id),
        store_id: StoreId::new(shopper.buyer.store_id),
        method: "POST",
        path: "/api/v1/checkout".into(),
        key: IdempotencyKey::parse(shopper.key.as_bytes()).unwrap(),
    }
}

async fn hold_key(world: &World, shopper: &Shopper) -> Transaction<'static, Postgres> {
    let free = world.market.sold_product(300, 1).await;
    let other = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(free, 1)])).await;
    assert_eq!(other.check_out().await.status, 201);
    let mut held = world.market.database.pool.begin().await.unwrap();
    let done = sqlx::query(
        "insert into idempotency_keys (user_id, store_id, method, path, key, request_fingerprint, \
            checkout_group_id, response_status, response_body, expires_at) \
         select $1, $2, 'POST', '/api/v1/checkout', $3, '', id, 201, '', now() + interval '1 day' \
         from checkout_groups limit 1",
    )
    .bind(shopper.buyer.user_id)
    .bind(shopper.buyer.store_id)
    .bind(&shopper.key)
    .execute(&mut *held)
    .await
    .unwrap();
    assert_eq!(done.rows_affected(), 1);
    held
}

/// A store whose pending change forbids references to it.
#[tokio::test]
async fn a_vendor_that_somebody_holds_costs_only_those_who_buy_of_it() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 4];
    let needy = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let mut held = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from stores where id = $1 for update")
        .bind(product.vendor.store_id)
        .execute(&mut *held)
        .await
        .unwrap();

    others_buy_while_it_is_held(&world, needy, held).await;
}

/// No checkout waits for a vendor that changes its name.
#[tokio::test]
async fn a_vendor_that_is_renamed_costs_nobody_anything() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 8];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let mut held = world.market.database.pool.begin().await.unwrap();
    let renamed = sqlx::query("update stores set name = 'Renamed' where id = $1")
        .bind(product.vendor.store_id)
        .execute(&mut *held)
        .await
        .unwrap();
    assert_eq!(renamed.rows_affected(), 1);

    let replies = check_out_together(&shoppers).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert_eq!(world.server.metric("splitcart_held_rows").await, 0.0);
    held.rollback().await.unwrap();
}

/// Statements whose locks delay every checkout, even one without discounts, until their transaction ends.
const LOCKS: [&str; 18] = [
    "lock table inventory_items in access exclusive mode",
    // The weakest that do. `create index` takes a lock in share mode.
    "lock table inventory_items in share mode",
    "lock table cart_records in share mode",
    "lock table checkout_groups in share mode",
    "lock table idempotency_keys in share mode",
    "lock table order_line_items in share mode",
    "lock table outbox_events in share mode",
    "lock table payment_intents in share mode",
    "lock table vendor_orders in share mode",
    "lock table products in exclusive mode",
    "lock table stores in exclusive mode",
    "lock table users in exclusive mode",
    "lock table cart_items in access exclusive mode",
    "lock table licenses in access exclusive mode",
    "lock table store_memberships in access exclusive mode",
    "lock table subscriptions in access exclusive mode",
    // The table itself may be read.
    "reindex index products_pkey",
    "reindex index stores_pkey",
];

/// A locked table delays every checkout: all are refused at once, and not one after the other.
#[tokio::test]
async fn a_table_that_is_locked_is_told_to_all_at_once() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 40];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    for lock in LOCKS {
        let mut held = world.market.database.pool.begin().await.unwrap();
        sqlx::query(lock).execute(&mut *held).await.unwrap();
        let waits = world.server.metric(WAITS).await;

        let replies = join_all(shoppers.iter().map(timed)).await;

        for (reply, took) in replies {
            assert!(is_refused(&reply), "{lock}: {}", reply.text());
            assert!(took < Duration::from_secs(3), "{lock}: {took:?}");
        }
        let waits = world.server.metric(WAITS).await - waits;
        assert!((1.0..10.0).contains(&waits), "{lock}: {waits} waits");
        held.rollback().await.unwrap();
    }
    world
        .server
        .until_logged("locks products_pkey (AccessExclusiveLock)")
        .await;
    for shopper in &shoppers {
        assert_eq!(shopper.insist().await.status, 201);
    }
    assert_consistent(&world.market.database).await;
}

/// While a row is held, an index is built over a table that no checkout writes, and one is locked that no
/// checkout reads.
#[tokio::test]
async fn a_table_whose_lock_delays_no_checkout_is_no_reason_to_refuse_any() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let carts = vec![cart_of(&[(product, 1)]); 4];
    let needy = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let mut held = world.market.hold_stock(product).await;
    for lock in [
        "lock table product_volume_discounts in share mode",
        "lock table webhook_endpoints in access exclusive mode",
    ] {
        sqlx::query(lock).execute(&mut *held).await.unwrap();
    }

    others_buy_while_it_is_held(&world, needy, held).await;

    let locked = "splitcart_batch_tables_locked_total";
    assert_eq!(world.server.metric(locked).await, 0.0);
}

/// A world whose server reaches PostgreSQL over a network that loses connections.
async fn lossy_world(settings: &[(&str, &str)]) -> (World, SilentProxy) {
    let mut world = World::start().await;
    let proxy = SilentProxy::before_postgres(&world.market.database.url).await;
    world.server = Server::start(&proxy.url(), &world.redis.url, settings).await;
    (world, proxy)
}

/// Buys while the connection over which this statement passes next is lost, and for some time after; no
/// request waits for longer than is promised, and every buyer can buy in the end.
async fn buy_while_a_connection_is_lost(
    world: &World,
    proxy: &SilentProxy,
    statement: &str,
    passes: Passes,
) {
    let product = world.market.sold_product(500, 100_000).await;
    let carts = vec![cart_of(&[(product, 1)]); 8];
    for round in 0..5 {
        let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
        // The proxy starts only now, because freezing a cart commits, too.
        if round == 0 {
            proxy.silence_at(statement, passes);
        }
        let replies = join_all(shoppers.iter().map(timed)).await;
        assert_eq!(proxy.silenced(), 1, "one checkout lost its connection");
        for (reply, took) in &replies {
            assert!(reply.status == 201 || is_refused(reply), "{}", reply.text());
            // The limit is shorter than any caller's wait: the transaction itself was given up.
            assert!(*took < REFUSED_WITHIN, "{took:?}");
        }
        for shopper in &shoppers {
            assert_eq!(shopper.insist().await.status, 201);
        }
    }
}

#[tokio::test]
async fn a_connection_lost_at_a_commit_costs_its_own_batch_only() {
    for passes in [Passes::Lost, Passes::Forwarded] {
        let (world, proxy) = lossy_world(&[]).await;

        buy_while_a_connection_is_lost(&world, &proxy, "commit", passes).await;

        assert_consistent(&world.market.database).await;
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_a_statement_costs_its_own_batch_only() {
    for statement in ["insert into checkout_groups", "update inventory_items"] {
        let (world, proxy) = lossy_world(&[]).await;

        buy_while_a_connection_is_lost(&world, &proxy, statement, Passes::Lost).await;

        assert_consistent(&world.market.database).await;
    }
}

/// Regression: no checkout was ever carried out again, and readiness stayed green.
#[tokio::test]
async fn a_connection_lost_at_a_rollback_does_not_stop_checkouts() {
    let settings = [
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
        ("SPLITCART_LOCK_MS_MAX", "3000"),
        ("SPLITCART_TRANSACTION_MS_MAX", "4000"),
    ];
    let (world, proxy) = lossy_world(&settings).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 4)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    // Stock moves between reading and reserving, so that the transaction is rolled back.
    let mut held = world.market.hold_stock(product).await;
    proxy.silence_at("rollback", Passes::Lost);
    let waiting = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    stock_in(&mut held, product, 3).await;
    held.commit().await.unwrap();

    let reply = waiting.await.unwrap();

    assert_eq!(proxy.silenced(), 1, "the rollback lost its connection");
    assert!(
        reply.status == 201 || is_refused(&reply),
        "{}",
        reply.text()
    );
    let free = world.market.sold_product(500, 10).await;
    let other = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(free, 1)])).await;
    let (reply, took) = timed(&other).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert!(took < PROMPT, "{took:?}");
    // PostgreSQL releases the locks of the lost transaction.
    assert_eq!(shopper.insist().await.status, 201);
    assert_consistent(&world.market.database).await;
}

/// All open connections are lost at once; new ones work.
#[tokio::test]
async fn when_all_connections_are_lost_new_ones_serve_within_two_seconds() {
    let (world, proxy) = lossy_world(&[]).await;
    let product = world.market.sold_product(500, 100_000).await;
    let carts = vec![cart_of(&[(product, 1)]); 16];
    let before = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let after = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let replies = check_out_together(&before).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    proxy.silence();

    let lost_at = Instant::now();
    let replies = join_all(after.iter().map(timed)).await;

    assert!(proxy.silenced() > 0, "open connections fell silent");
    for (reply, took) in &replies {
        assert!(reply.status == 201 || is_refused(reply), "{}", reply.text());
        assert!(*took < Duration::from_secs(3), "{took:?}");
    }
    for shopper in &after {
        assert_eq!(shopper.insist().await.status, 201);
    }
    assert!(
        lost_at.elapsed() < Duration::from_secs(6),
        "{:?}",
        lost_at.elapsed()
    );
    assert_consistent(&world.market.database).await;
}

/// One client with carts of two hundred lines beside many with one line: the size of a batch is
/// measured by its lines.
#[tokio::test]
async fn heavy_carts_come_in_transactions_of_a_bounded_weight() {
    let settings = [
        ("SPLITCART_BATCH_LINES_MAX", "100"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ];
    let world = World::with_settings(&settings).await;
    let mut products = Vec::new();
    for _ in 0..40 {
        products.push((world.market.sold_product(100, 1000).await, 1));
    }
    let carts: Vec<_> = (0..12)
        .map(|nr| {
            cart_of(if nr % 2 == 0 {
                &products
            } else {
                &products[..1]
            })
        })
        .collect();
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

    let replies = check_out_together(&shoppers).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    let most_orders = "select max(orders)::bigint from (
                           select count(*) as orders from vendor_orders group by created_at) as batch";
    let heaviest = world.market.database.count(most_orders).await;
    assert!(heaviest <= 100, "{heaviest} lines in one transaction");
    assert_consistent(&world.market.database).await;
}
