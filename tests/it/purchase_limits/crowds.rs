//! Purchase limits in crowds: many carts of one store, and one product that everybody wants.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Client, Server, Shopper, World, assert_consistent,
    client::fresh_key,
    crowd::{check_out_together, is_in_progress, is_refused, together},
    market::cart_of,
    patience::PATIENT,
};

use super::{limit, line, lines};

/// Freezes and buys a cart of three units; starts again if a colleague has bought the cart first.
async fn buy_a_cart(client: &Client, cart: &serde_json::Value) {
    loop {
        let put = client.put_cart(&fresh_key(), cart).await;
        if put.status != 200 {
            assert!(is_refused(&put), "{}", put.text());
            continue;
        }
        let cart_id = put.data()["id"].as_str().unwrap().parse().unwrap();
        let key = fresh_key();
        loop {
            let bought = client.check_out(&key, cart_id).await;
            match bought.status {
                201 => return,
                409 if bought.code() == "CART_ALREADY_CONVERTED" => break,
                _ => assert!(
                    is_refused(&bought) || is_in_progress(&bought),
                    "{}",
                    bought.text()
                ),
            }
        }
    }
}

#[tokio::test]
async fn twenty_carts_of_one_store_at_two_instances_never_exceed_the_limit() {
    let world = World::with_settings(&PATIENT).await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &PATIENT).await;
    let product = world.market.sold_product(500, 100).await;
    limit(&world.market, product, 20, Some(30)).await;
    let buyer = world.market.buyer().await;
    let mut clients = Vec::new();
    for nr in 0..20 {
        let colleague = world.market.colleague(&buyer, "owner").await;
        let server = if nr % 2 == 0 { &world.server } else { &other };
        clients.push(server.client(&colleague));
    }
    let cart = cart_of(&[(product, 3)]);

    join_all(clients.iter().map(|client| buy_a_cart(client, &cart))).await;

    let database = &world.market.database;
    let groups = "select count(*) from checkout_groups";
    assert_eq!(database.count(groups).await, 20);
    // Six carts of three fit, the seventh would come to 21.
    assert_eq!(world.market.stock_of(product).await, (82, 18));
    let over = "select count(*) from order_line_items
                where rejection_reason = 'purchase_limit_reached'
                    and rejection_detail = '{\"limit_qty\": 20, \"bought_qty\": 18}'";
    assert_eq!(database.count(over).await, 14);
    assert_consistent(database).await;
}

#[tokio::test]
async fn a_crowd_on_a_limited_product_gets_the_limit_each_and_begins_nothing_anew() {
    let world = World::with_settings(&PATIENT).await;
    let hot = world.market.sold_product(500, 1000).await;
    limit(&world.market, hot, 3, None).await;
    let carts = vec![cart_of(&[(hot, 2)]); 60];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    for reply in check_out_together(&shoppers).await {
        assert_eq!(lines(&reply), [line(2, "pending")]);
    }
    let mut requests = Vec::new();
    for shopper in &shoppers {
        let cart_id = shopper.client.freeze(&carts[0]).await;
        let body = json!({ "cart_id": cart_id, "shortage_policy": "fill" });
        requests.push(shopper.client.checkout_request(&fresh_key(), &body));
    }

    let replies = together(requests).await;

    for reply in replies {
        assert_eq!(lines(&reply), [line(1, "pending"), line(1, "rejected")]);
    }
    assert_eq!(world.market.stock_of(hot).await, (820, 180));
    let moved = "splitcart_batch_stock_moved_total";
    assert_eq!(world.server.metric(moved).await, 0.0);
    assert_consistent(&world.market.database).await;
}

/// With less stock than the crowd may have, the last units are sold, and nobody gets more than the limit.
#[tokio::test]
async fn a_crowd_on_the_last_units_of_a_limited_product_sells_all_of_them() {
    let world = World::with_settings(&PATIENT).await;
    let hot = world.market.sold_product(500, 1000).await;
    limit(&world.market, hot, 3, None).await;
    let carts = vec![cart_of(&[(hot, 3)]); 40];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    world.market.stock(hot, 50).await;

    let requests = shoppers.iter().map(|shopper| {
        let body = json!({ "cart_id": shopper.cart_id, "shortage_policy": "fill" });
        shopper.client.checkout_request(&shopper.key, &body)
    });
    let replies = together(requests).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert_eq!(world.market.stock_of(hot).await, (0, 50));
    assert_consistent(&world.market.database).await;
}
