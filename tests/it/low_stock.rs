//! `inventory_low`: announced where stock goes to its threshold or to 0, once per crossing, whatever takes
//! the units, and without cost where nothing crosses.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Database, Market, Product, Redis, Server, Shopper, World, assert_consistent,
    client::fresh_key,
    crowd::together,
    market::{cart_of, stock_in},
    patience::{LONG_LOCKS, patient},
    silent_proxy::SilentProxy,
    wait,
};

async fn threshold(world: &World, product: Product, threshold: i32) {
    sqlx::query("update inventory_items set low_stock_threshold = $2 where product_id = $1")
        .bind(product.id)
        .bind(threshold)
        .execute(&world.market.database.pool)
        .await
        .unwrap();
}

async fn buy(market: &Market, server: &Server, product: Product, qty: i32) {
    let shopper = Shopper::with_cart(market, server, &cart_of(&[(product, qty)])).await;
    assert_eq!(shopper.check_out().await.status, 201);
}

/// The `inventory_low` on the stream, once everything is published.
async fn low(world: &World) -> Vec<Value> {
    let waiting = "select count(*) from outbox_events where published_at is null";
    wait::until("everything is published", async || {
        world.market.database.count(waiting).await == 0
    })
    .await;
    let mut events = world.redis.events().await;
    events.retain(|event| event["type"] == "inventory_low");
    events
}

fn quantities(events: &[Value]) -> Vec<i64> {
    let qty = |event: &Value| event["data"]["available_qty"].as_i64().unwrap();
    events.iter().map(qty).collect()
}

#[tokio::test]
async fn checkouts_announce_the_threshold_and_zero_once_each() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    threshold(&world, product, 5).await;

    for qty in [4, 1, 2, 3] {
        buy(&world.market, &world.server, product, qty).await;
    }

    let events = low(&world).await;
    assert_eq!(quantities(&events), [5, 0]);
    let event = &events[0];
    assert_eq!(event["aggregate_type"], "product");
    assert_eq!(event["aggregate_id"], json!(product.id));
    assert_eq!(event["actor"], Value::Null);
    assert_eq!(
        event["data"],
        json!({
            "product_id": product.id,
            "vendor_store_id": product.vendor.store_id,
            "available_qty": 5,
            "low_stock_threshold": 5,
        })
    );
    assert_consistent(&world.market.database).await;
}

/// The other sequence of a checkout, in which the stock is reserved first.
#[tokio::test]
async fn a_checkout_that_starts_again_announces_what_it_has_reserved() {
    let settings = patient(&[
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
        LONG_LOCKS,
    ]);
    let world = World::with_settings(&settings).await;
    let product = world.market.sold_product(500, 10).await;
    threshold(&world, product, 5).await;
    let cart = cart_of(&[(product, 4)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    world.market.stock(product, 1).await;
    let mut held = world.market.hold_stock(product).await;

    let waiting = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    stock_in(&mut held, product, 9).await;
    held.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().status, 201);

    let moved = "splitcart_batch_stock_moved_total";
    assert_eq!(world.server.metric(moved).await, 1.0);
    assert_eq!(quantities(&low(&world).await), [5]);
}

#[tokio::test]
async fn a_crowd_at_two_instances_crosses_each_bound_once_and_in_order() {
    let settings = patient(&[
        ("SPLITCART_BATCH_MAX", "4"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "4"),
    ]);
    let world = World::with_settings(&settings).await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &settings).await;
    let mut products = Vec::new();
    for _ in 0..3 {
        let product = world.market.sold_product(100, 16).await;
        threshold(&world, product, 8).await;
        products.push(product);
    }
    let carts: Vec<_> = (0..48)
        .map(|nr| cart_of(&[(products[nr % 3], 1)]))
        .collect();
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

    let requests = shoppers.iter().enumerate().map(|(nr, shopper)| {
        if nr % 2 == 0 {
            shopper.at(&other).request()
        } else {
            shopper.request()
        }
    });
    for reply in together(requests).await {
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    let events = low(&world).await;
    for product in products {
        let of_product: Vec<_> = events
            .iter()
            .filter(|event| event["aggregate_id"] == json!(product.id))
            .cloned()
            .collect();
        let quantities = quantities(&of_product);
        assert!(
            matches!(quantities[..], [5..=8, 0]),
            "a batch takes up to four units: {quantities:?}"
        );
    }
}

#[tokio::test]
async fn a_count_announces_what_it_takes_away_and_not_what_it_declares_low() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let worker = Buyer {
        user_id: Uuid::now_v7(),
        store_id: product.vendor.store_id,
    };
    let worker = world.market.colleague(&worker, "ops").await;
    let client = world.client(&worker);
    let count = async |item: Value| {
        let mut item = item;
        item["product_id"] = json!(product.id);
        let request = client
            .request(Method::PUT, "/api/v1/inventory")
            .header("Idempotency-Key", fresh_key())
            .json(&json!({ "items": [item] }));
        let reply = Client::send(request).await;
        assert_eq!(
            reply.data()["results"][0]["result"],
            "changed",
            "{}",
            reply.text()
        );
    };

    // Nothing was taken: the vendor has just said so.
    count(json!({ "low_stock_threshold": 12 })).await;
    count(json!({ "low_stock_threshold": 5 })).await;
    count(json!({ "available_qty": 4 })).await;
    count(json!({ "delta_qty": -1 })).await;
    count(json!({ "on_hand_qty": 20 })).await;
    count(json!({ "delta_qty": -20 })).await;

    let events = low(&world).await;
    assert_eq!(quantities(&events), [4, 0]);
    assert_eq!(events[0]["actor"]["user_id"], json!(worker.user_id));
    assert_eq!(events[0]["actor"]["store_id"], json!(worker.store_id));
}

#[tokio::test]
async fn only_a_crossing_costs_a_checkout_a_statement() {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let proxy = SilentProxy::before_postgres(&database.url).await;
    let server = Server::start(&proxy.url(), &redis.url, &[]).await;
    let market = Market::new(database);
    let product = market.sold_product(500, 100).await;
    let executed = async |qty: i32| {
        let before = proxy.executed("splitcart checkout");
        buy(&market, &server, product, qty).await;
        proxy.executed("splitcart checkout") - before
    };
    // The first opens connections.
    executed(1).await;

    let without = executed(1).await;
    let crossing = executed(98).await;

    assert!(without > 5, "the statements pass here: {without}");
    assert_eq!(crossing, without + 1);
}
