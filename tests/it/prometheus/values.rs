//! Metrics that no other test reads have the values that they should have.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    moves::{self, Stage},
    support::{World, client::fresh_key, market::cart_of, wait},
};

async fn until(world: &World, metric: &str, value: f64) {
    wait::until(&format!("{metric}is {value}"), async || {
        world.server.metric(metric).await == value
    })
    .await;
}

#[tokio::test]
async fn orders_wait_until_their_vendor_has_decided() {
    let stage = Stage::with_products(&[500]).await;
    until(&stage.world, "splitcart_orders_waiting ", 0.0).await;
    let (first, second) = (stage.buy(&[1]).await, stage.buy(&[1]).await);

    until(&stage.world, "splitcart_orders_waiting ", 2.0).await;
    let oldest = "splitcart_orders_waiting_oldest_seconds ";
    assert!(stage.world.server.metric(oldest).await > 0.0);

    for order in [&first, &second] {
        assert_eq!(moves::accept(&stage.vendor, order).await.status, 200);
    }
    until(&stage.world, "splitcart_orders_waiting ", 0.0).await;
    assert_eq!(stage.world.server.metric(oldest).await, 0.0);
}

#[tokio::test]
async fn a_wait_for_a_held_row_is_counted_when_it_ends() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let hold = world.market.hold_stock(product).await;
    let checkout = tokio::spawn({
        let client = client.clone();
        async move { client.check_out(&fresh_key(), cart_id).await }
    });
    until(&world, "splitcart_coordinator_set_aside ", 1.0).await;
    let freed = "splitcart_held_row_wait_seconds_count{outcome=\"freed\"} ";
    assert_eq!(world.server.metric(freed).await, 0.0);

    hold.rollback().await.unwrap();

    assert_eq!(checkout.await.unwrap().status, 201);
    assert_eq!(world.server.metric(freed).await, 1.0);
}

/// A look at a vendor that PostgreSQL does not answer in time pages nobody.
#[tokio::test]
async fn a_look_of_the_console_that_takes_too_long_is_no_error_of_postgresql() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 90).await;
    let mut lock = world.market.database.pool.begin().await.unwrap();
    sqlx::query("lock table stores")
        .execute(&mut *lock)
        .await
        .unwrap();
    let errors = "splitcart_database_errors_total{kind=\"unreachable\"} ";
    let before = world.server.metric(errors).await;

    let path = format!("/ops/vendors/{}", product.vendor.store_id);
    let (status, body) = world.server.operations(&path).await;

    assert_eq!(status, 503, "{body}");
    assert_eq!(world.server.metric(errors).await, before);
    lock.rollback().await.unwrap();
    let (status, body) = world.server.operations(&path).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_session_that_waits_for_a_lock_is_counted() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let mut lock = world.market.database.pool.begin().await.unwrap();
    sqlx::query("lock table cart_records")
        .execute(&mut *lock)
        .await
        .unwrap();
    // A request is given up after a while, and the next one waits.
    let asking = tokio::spawn(async move {
        loop {
            client.get_cart().await;
        }
    });

    wait::until("the wait is seen", async || {
        world.server.metric("splitcart_database_lock_waits ").await > 0.0
    })
    .await;
    asking.abort();
    lock.rollback().await.unwrap();

    // The lock's own session was there when this was measured.
    let most = world
        .server
        .metric("splitcart_database_connections_max ")
        .await;
    let used = world.server.metric("splitcart_database_connections ").await;
    assert!(used > 1.0 && used < most, "{used} of {most}");
}

#[tokio::test]
async fn what_redis_and_the_process_take_is_measured() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);

    let metric = async |start: &str| world.server.metric(start).await;
    // The answer is kept in Redis after it was given.
    wait::until("four commands are measured", async || {
        metric("splitcart_redis_command_duration_seconds_count ").await >= 4.0
    })
    .await;
    assert!(metric("splitcart_redis_command_duration_seconds_sum ").await > 0.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() - metric("process_start_time_seconds ").await;
    assert!((-2.0..300.0).contains(&age), "{age}");
    assert!(metric("process_cpu_seconds_total ").await > 0.0);
    let (open, most) = (
        metric("process_open_fds ").await,
        metric("process_max_fds ").await,
    );
    assert!(open > 20.0 && open < most, "{open} of {most}");
    let memory = metric("process_resident_memory_bytes ").await;
    assert!(memory > 5e6 && memory < 5e9, "{memory}");
    for thread in ["main", "actors", "carts", "ops", "http-0"] {
        let count = format!("splitcart_event_loop_lag_seconds_count{{thread=\"{thread}\"}} ");
        wait::until(&format!("{thread} is measured"), async || {
            metric(&count).await > 0.0
        })
        .await;
    }
}

#[tokio::test]
async fn errors_of_statements_are_counted_by_kind() {
    let world = World::start().await;
    let unreachable = "splitcart_database_errors_total{kind=\"unreachable\"} ";
    assert_eq!(world.server.metric(unreachable).await, 0.0);
    let client = world.client(&world.market.buyer().await);
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'splitcart http'";

    // Sometimes the pool notices the cut first, and no statement fails.
    wait::until("a statement has failed", async || {
        assert_eq!(client.get_cart().await.status, 404);
        world.market.database.run(cut).await;
        client.get_cart().await;
        world.server.metric(unreachable).await > 0.0
    })
    .await;

    let permanent = "splitcart_database_errors_total{kind=\"permanent\"} ";
    assert_eq!(world.server.metric(permanent).await, 0.0);
}
