//! The plans of the service's statements: PostgreSQL uses indexes, however fresh the tables' statistics
//! are.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::{
    Client, Shopper, World, client::fresh_key, crowd::check_out_together, market::cart_of, wait,
};

/// The number of sequential scans of each table that the hot paths use. The outbox, the keys and the
/// groups are left out, because background jobs scan them, and so are tables of one row.
async fn sequential_scans(connection: &mut PgConnection) -> BTreeMap<String, i64> {
    let query = "select relname::text, seq_scan
                 from pg_stat_user_tables
                 where relname not in (
                    'outbox_events', 'idempotency_keys', 'cart_put_keys', 'checkout_groups',
                    'expiry_progress', 'outbox_sequencing', '_sqlx_migrations')";
    let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(connection).await.unwrap();
    assert!(rows.len() > 12, "{rows:?}");
    rows.into_iter().collect()
}

/// A session reports its statistics when it ends, if not before.
async fn until_nobody_else_is_connected(connection: &mut PgConnection) {
    wait::until("all other sessions have ended", async || {
        let query = "select count(*) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()
                        and backend_type = 'client backend'";
        let others: i64 = sqlx::query_scalar(query)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        others == 0
    })
    .await;
}

async fn stop(world: &mut World) {
    world.server.terminate();
    assert!(world.server.ended().await.success());
}

/// The tables are small and were never analyzed. The planner then prefers to scan them whole, and a
/// cached plan would stay when the tables have grown.
#[tokio::test]
async fn carts_checkouts_and_orders_look_rows_up_by_index_only() {
    let mut world = World::start().await;
    let mut lines = Vec::new();
    for price in [1000, 250, 399] {
        let product = world.market.sold_product(price, 5000).await;
        world.market.tier(product, 100, "5").await;
        lines.push((product, 3));
    }
    let carts = vec![cart_of(&lines); 20];
    // The first PUTs make the buyers; the statements of the test itself must not count.
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    stop(&mut world).await;
    let url = world.market.database.url.clone();
    world.market.database.pool.close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    until_nobody_else_is_connected(&mut connection).await;
    let before = sequential_scans(&mut connection).await;

    world.server = crate::support::Server::start(&url, &world.redis.url, &[]).await;
    let shoppers: Vec<_> = shoppers.iter().map(|it| it.at(&world.server)).collect();
    for shopper in &shoppers {
        assert_eq!(shopper.client.freeze(&carts[0]).await, shopper.cart_id);
        assert_eq!(shopper.client.get_cart().await.status, 200);
        let preview = shopper
            .client
            .request(Method::POST, "/api/v1/checkout/preview");
        let preview = preview.json(&json!({ "cart_id": shopper.cart_id }));
        assert_eq!(Client::send(preview).await.status, 200);
    }
    for reply in check_out_together(&shoppers).await {
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    for shopper in &shoppers {
        let page = shopper.client.get("/api/v1/orders?limit=2").await;
        let id = page.data()[1]["order_id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/orders/{id}");
        assert_eq!(shopper.client.get(&path).await.status, 200);
    }

    stop(&mut world).await;
    until_nobody_else_is_connected(&mut connection).await;
    assert_eq!(sequential_scans(&mut connection).await, before);
    // Rows were in fact read and written meanwhile.
    let written: i64 = sqlx::query_scalar("select count(*) from order_line_items")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(written, 60);
}

/// However many orders a store has, a page is a range of an index, not a sort of all orders.
#[tokio::test]
async fn a_page_reads_few_more_orders_than_it_shows() {
    let mut world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    assert_eq!(shopper.check_out().await.status, 201);
    // Copies of an order, each of a checkout that does not exist.
    let copies = "
        set session_replication_role = replica;
        with copies as (
            insert into vendor_orders (id, checkout_group_id, buyer_store_id, vendor_store_id,
                status, subtotal, discount_total, total, balance_due, created_at)
            select gen_random_uuid(), gen_random_uuid(), buyer_store_id, vendor_store_id, status,
                0, 0, 0, 0, created_at - n * interval '1 second'
            from vendor_orders, generate_series(1, 30000) as n
            returning id, checkout_group_id
         )
        insert into order_line_items (id, order_id, checkout_group_id, position, product_id, sku,
            title, unit, qty, list_price, unit_price, discount, total, status)
        select gen_random_uuid(), c.id, c.checkout_group_id, position, product_id, sku, title, unit,
            qty, list_price, unit_price, discount, total, status
        from order_line_items, copies c";
    world.market.database.run(copies).await;
    stop(&mut world).await;
    let url = world.market.database.url.clone();
    world.market.database.pool.close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    until_nobody_else_is_connected(&mut connection).await;
    let before = orders_found(&mut connection).await;

    world.server = crate::support::Server::start(&url, &world.redis.url, &[]).await;
    let client = shopper.at(&world.server).client;
    let mut path = "/api/v1/orders?limit=10".to_owned();
    for _ in 0..5 {
        let page = client.get(&path).await;
        assert_eq!(page.data().as_array().unwrap().len(), 10);
        let cursor = page.json()["page"]["next_cursor"].clone();
        let cursor = cursor.as_str().unwrap();
        path = format!("/api/v1/orders?limit=10&cursor={cursor}");
    }

    stop(&mut world).await;
    until_nobody_else_is_connected(&mut connection).await;
    // For each of the 11 orders that a page reads: its time, its id, the order itself.
    let read = orders_found(&mut connection).await - before;
    assert!((5 * 11..=5 * 11 * 4).contains(&read), "{read}");
}

/// A vendor whose products are limited has many orders, and a buyer has few of them.
#[tokio::test]
async fn a_purchase_limit_reads_the_orders_of_the_buyer_only() {
    let mut world = World::start().await;
    let limited = world.market.sold_product(500, 100).await;
    let unlimited = world.market.product(limited.vendor, 500, 100).await;
    let cart = cart_of(&[(limited, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    assert_eq!(shopper.check_out().await.status, 201);
    // Copies of the order, each of another buyer.
    let copies = format!(
        "set session_replication_role = replica;
         with copies as (
            insert into vendor_orders (id, checkout_group_id, buyer_store_id, vendor_store_id,
                status, subtotal, discount_total, total, balance_due)
            select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), vendor_store_id, status,
                0, 0, 0, 0
            from vendor_orders, generate_series(1, 10000)
            returning id, checkout_group_id
         )
         insert into order_line_items (id, order_id, checkout_group_id, position, product_id, sku,
            title, unit, qty, list_price, unit_price, discount, total, status)
         select gen_random_uuid(), c.id, c.checkout_group_id, position, product_id, sku, title, unit,
            qty, list_price, unit_price, discount, total, status
         from order_line_items, copies c;
         update products set buyer_limit_qty = 2 where id = '{}'",
        limited.id
    );
    world.market.database.run(&copies).await;
    stop(&mut world).await;
    let url = world.market.database.url.clone();
    world.market.database.pool.close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    until_nobody_else_is_connected(&mut connection).await;
    for (product, most) in [(unlimited, 0), (limited, 10)] {
        let before = orders_found(&mut connection).await;
        world.server = crate::support::Server::start(&url, &world.redis.url, &[]).await;
        let shopper = shopper.at(&world.server);
        let cart_id = shopper.client.freeze(&cart_of(&[(product, 1)])).await;

        let reply = shopper.client.check_out(&fresh_key(), cart_id).await;

        assert_eq!(
            reply.data()["vendor_orders"][0]["status"],
            "created_pending"
        );
        stop(&mut world).await;
        until_nobody_else_is_connected(&mut connection).await;
        let read = orders_found(&mut connection).await - before;
        assert!(read <= most, "{read} orders were read");
    }
}

/// The orders that were found by their buyer or vendor. Background tasks walk the primary key: the search for
/// late orders, and the count of those that wait.
async fn orders_found(connection: &mut PgConnection) -> i64 {
    let query = "select sum(idx_tup_read)::bigint from pg_stat_user_indexes
                 where relname = 'vendor_orders' and indexrelname <> 'vendor_orders_pkey'";
    sqlx::query_scalar(query)
        .fetch_one(connection)
        .await
        .unwrap()
}
