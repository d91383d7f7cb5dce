//! Checkout over HTTP: partial success, exactly once, and the refusals of the contract.

use serde_json::json;
use uuid::Uuid;

use crate::support::{World, client::fresh_key, market::cart_of, wait};

/// PF-080, PF-083: single transaction, a group, an order per vendor, lines, the cart converted.
#[tokio::test]
async fn a_cart_of_three_vendors_becomes_one_group_with_an_order_per_vendor() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let mut lines = Vec::new();
    for price in [1000, 250, 399] {
        lines.push((world.market.sold_product(price, 50).await, 3));
    }
    let cart_id = client.freeze(&cart_of(&lines)).await;

    let reply = client.check_out(&fresh_key(), cart_id).await;

    assert_eq!(reply.status, 201, "{}", reply.text());
    let data = reply.data();
    assert_eq!(data["cart_id"], json!(cart_id));
    assert_eq!(data["buyer_store_id"], json!(buyer.store_id));
    assert_eq!(data["total"], "49.47");
    assert_eq!(data["rejected_vendors"], json!([]));
    let orders = data["vendor_orders"].as_array().unwrap();
    let vendors: Vec<_> = orders
        .iter()
        .map(|it| it["vendor_store_id"].as_str().unwrap())
        .collect();
    assert!(vendors.len() == 3 && vendors.is_sorted());
    for (order, (product, _)) in orders.iter().zip(&lines) {
        assert_eq!(order["status"], "created_pending");
        assert_eq!(order["balance_due"], order["total"]);
        assert_eq!(order["payment_intent"]["method"], "cash");
        assert_eq!(order["payment_intent"]["status"], "unpaid");
        assert_eq!(order["payment_intent"]["amount"], order["total"]);
        assert_eq!(order["items"][0]["product_id"], json!(product.id));
        assert_eq!(order["items"][0]["status"], "pending");
        assert_eq!(order["items"][0]["rejection"], json!(null));
        assert_eq!(world.market.stock_of(*product).await, (47, 3));
    }
    let database = &world.market.database;
    let converted = "select count(*) from cart_records where status = 'converted'";
    assert_eq!(database.count(converted).await, 1);
    assert_eq!(
        database
            .count("select count(*) from order_line_items")
            .await,
        3
    );
    assert_eq!(client.get_cart().await.code(), "NOT_FOUND");
    // The group that is read back equals the answer.
    let group_id = data["checkout_group_id"].as_str().unwrap();
    let group = client
        .get(&format!("/api/v1/checkout-groups/{group_id}"))
        .await;
    assert_eq!((group.status, group.bytes), (200, reply.bytes));
}

/// PF-079, PF-080: a short line is rejected with its reason, per item; the rest goes through.
#[tokio::test]
async fn a_shortage_rejects_the_line_and_keeps_the_order() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let vendor = world.market.vendor().await;
    let short = world.market.product(vendor, 500, 10).await;
    let plenty = world.market.product(vendor, 300, 10).await;
    let elsewhere = world.market.sold_product(100, 10).await;
    let cart_id = client
        .freeze(&cart_of(&[(short, 4), (plenty, 2), (elsewhere, 1)]))
        .await;
    world.market.stock(short, 3).await;

    let reply = client.check_out(&fresh_key(), cart_id).await;

    let data = reply.data();
    assert_eq!(data["total"], "7.00");
    let order = &data["vendor_orders"][0];
    assert_eq!(order["status"], "created_pending");
    assert_eq!(order["total"], "6.00");
    assert_eq!(order["items"][0]["status"], "rejected");
    assert_eq!(order["items"][0]["total"], "20.00");
    assert_eq!(
        order["items"][0]["rejection"]["reason"],
        "insufficient_inventory"
    );
    assert_eq!(order["items"][0]["rejection"]["available_qty"], 3);
    assert_eq!(order["items"][1]["status"], "pending");
    let rejected = &data["rejected_vendors"];
    assert_eq!(rejected.as_array().unwrap().len(), 1);
    assert_eq!(rejected[0]["vendor_store_id"], json!(vendor.store_id));
    assert_eq!(rejected[0]["order_id"], order["order_id"]);
    assert_eq!(
        rejected[0]["rejected_line_item_ids"],
        json!([order["items"][0]["line_item_id"]])
    );
    assert_eq!(rejected[0]["fully_rejected"], false);
    assert_eq!(world.market.stock_of(short).await, (3, 0));
    assert_eq!(world.market.stock_of(plenty).await, (8, 2));
}

/// PF-080: eligibility is checked again per vendor; a rejected order has no intent.
#[tokio::test]
async fn a_vendor_whose_licence_lapsed_is_rejected_and_the_others_sell() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let lapsed = world.market.sold_product(500, 10).await;
    let fine = world.market.sold_product(300, 10).await;
    let cart_id = client.freeze(&cart_of(&[(lapsed, 2), (fine, 2)])).await;
    world.market.lapse_licence(lapsed.vendor.store_id).await;

    let data = client.check_out(&fresh_key(), cart_id).await.data();

    let order = &data["vendor_orders"][0];
    assert_eq!(order["status"], "rejected");
    assert_eq!(
        (&order["total"], &order["balance_due"]),
        (&json!("0.00"), &json!("0.00"))
    );
    assert_eq!(order["payment_intent"], json!(null));
    assert_eq!(
        order["items"][0]["rejection"]["reason"],
        "vendor_license_invalid"
    );
    assert_eq!(order["items"][0]["rejection"]["available_qty"], json!(null));
    assert_eq!(data["rejected_vendors"][0]["fully_rejected"], true);
    assert_eq!(data["total"], "6.00");
    assert_eq!(world.market.stock_of(lapsed).await, (10, 0));
    let reason = "select count(*) from vendor_orders
                  where rejection_reason = 'vendor_license_invalid' and status = 'rejected'";
    assert_eq!(world.market.database.count(reason).await, 1);
    assert_eq!(
        world
            .market
            .database
            .count("select count(*) from payment_intents")
            .await,
        1
    );
}

/// PF-083: a checkout that can't be attempted at all is 422 and writes nothing.
#[tokio::test]
async fn without_an_eligible_vendor_nothing_is_written() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    world.market.lapse_licence(product.vendor.store_id).await;
    let key = fresh_key();

    let reply = client.check_out(&key, cart_id).await;

    assert_eq!(
        (reply.status, reply.code().as_str()),
        (422, "CHECKOUT_INVALID")
    );
    assert_eq!(reply.violations(), ["vendor_license_invalid"]);
    assert_eq!(
        world
            .market
            .database
            .count("select count(*) from checkout_groups")
            .await,
        0
    );
    assert_eq!(
        world
            .market
            .database
            .count("select count(*) from outbox_events")
            .await,
        0
    );
    // The key stays free, and the cart active.
    world
        .market
        .database
        .run("update licenses set expires_on = null")
        .await;
    assert_eq!(client.check_out(&key, cart_id).await.status, 201);
}

/// PF-081: the same key gets the same bytes; another request under it is 409.
#[tokio::test]
async fn a_replay_is_identical_to_the_byte_and_a_reused_key_is_refused() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let key = fresh_key();
    let first = client.check_out(&key, cart_id).await;
    assert!(!first.is_replay());

    let replay = client.check_out(&key, cart_id).await;
    // Other spelling, same request: key order and white space do not matter.
    let respelled = client
        .checkout_request(&key, &json!({}))
        .body(format!("{{ \"cart_id\" :\n\"{cart_id}\" }}"));
    let respelled = crate::support::Client::send(respelled).await;
    let other = json!({ "cart_id": cart_id, "payment_method": "cash" });
    let reused = crate::support::Client::send(client.checkout_request(&key, &other)).await;
    let new_key = client.check_out(&fresh_key(), cart_id).await;

    for reply in [&replay, &respelled] {
        assert!(reply.is_replay());
        assert_eq!((reply.status, &reply.bytes), (201, &first.bytes));
    }
    assert_eq!(
        (reused.status, reused.code().as_str()),
        (409, "IDEMPOTENCY_KEY_REUSED")
    );
    assert_eq!(
        (new_key.status, new_key.code().as_str()),
        (409, "CART_ALREADY_CONVERTED")
    );
    assert_eq!(
        new_key.json()["error"]["details"]["checkout_group_id"],
        first.data()["checkout_group_id"]
    );
    assert_eq!(world.market.stock_of(product).await, (8, 2));
}

/// PF-081: a first answer is kept for seven days, in PostgreSQL and in Redis.
#[tokio::test]
async fn a_first_answer_is_kept_for_seven_days() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;

    client.check_out(&fresh_key(), cart_id).await.data();

    let week = "select count(*) from idempotency_keys
                where expires_at = created_at + interval '7 days' and length(key) = 36
                and method = 'POST' and path = '/api/v1/checkout' and response_status = 201";
    assert_eq!(world.market.database.count(week).await, 1);
    let mut redis = world.redis.connect().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("splitcart:idempotency:*")
        .query_async(&mut redis)
        .await
        .unwrap();
    let mut lives = Vec::new();
    // The key that ends in `:kept` counts the bytes that are kept for the store.
    for key in keys.into_iter().filter(|key| !key.ends_with(":kept")) {
        lives.push(
            redis::cmd("TTL")
                .arg(key)
                .query_async::<i64>(&mut redis)
                .await
                .unwrap(),
        );
    }
    // Redis has a copy of both, the cart's PUT and the checkout, for an hour.
    assert_eq!(lives.len(), 2, "{lives:?}");
    let hour = 3600 - 60..=3600;
    assert!(lives.iter().all(|life| hour.contains(life)), "{lives:?}");
    let day = "select count(*) from cart_put_keys
               where expires_at = created_at + interval '24 hours'";
    assert_eq!(world.market.database.count(day).await, 1);
}

/// PF-082: written in the same transaction, published to the stream, with the ids in it.
#[tokio::test]
async fn every_checkout_is_announced_once_with_its_order_ids() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let first = world.market.sold_product(500, 10).await;
    let second = world.market.sold_product(300, 10).await;
    let cart_id = client.freeze(&cart_of(&[(first, 2), (second, 1)])).await;

    let data = client.check_out(&fresh_key(), cart_id).await.data();

    wait::until("the event is published", async || {
        !world.redis.events().await.is_empty()
    })
    .await;
    let events = world.redis.events().await;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(event["version"], 1);
    assert_eq!(event["type"], "order_created");
    assert_eq!(event["aggregate_type"], "checkout_group");
    assert_eq!(event["aggregate_id"], data["checkout_group_id"]);
    assert_eq!(event["occurred_at"], data["created_at"]);
    assert_eq!(event["actor"]["user_id"], json!(buyer.user_id));
    assert_eq!(
        event["data"]["checkout_group_id"],
        data["checkout_group_id"]
    );
    assert_eq!(event["data"]["buyer_store_id"], json!(buyer.store_id));
    let orders = data["vendor_orders"].as_array().unwrap();
    let ids: Vec<_> = orders
        .iter()
        .map(|order| order["order_id"].clone())
        .collect();
    assert_eq!(event["data"]["vendor_order_ids"], json!(ids));
    let published = "select count(*) from outbox_events where published_at is not null";
    wait::until("the event is marked", async || {
        world.market.database.count(published).await == 1
    })
    .await;
}

/// PF-083: other stores' carts are answered as not found, never as forbidden.
#[tokio::test]
async fn a_cart_of_another_buyer_is_not_found() {
    let world = World::start().await;
    let owner = world.client(&world.market.buyer().await);
    let stranger = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = owner.freeze(&cart_of(&[(product, 2)])).await;

    let foreign = stranger.check_out(&fresh_key(), cart_id).await;
    let unknown = stranger.check_out(&fresh_key(), Uuid::now_v7()).await;
    let group = owner.check_out(&fresh_key(), cart_id).await.data();
    let group_id = group["checkout_group_id"].as_str().unwrap();
    let foreign_group = stranger
        .get(&format!("/api/v1/checkout-groups/{group_id}"))
        .await;

    for reply in [foreign, unknown, foreign_group] {
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    }
}

/// The way of paying: cash by default, ACH only where it is allowed.
#[tokio::test]
async fn ach_is_refused_unless_it_is_allowed() {
    for (allowed, expected) in [("false", 422), ("true", 201)] {
        let world = World::with_settings(&[("SPLITCART_ALLOW_ACH", allowed)]).await;
        let client = world.client(&world.market.buyer().await);
        let product = world.market.sold_product(500, 10).await;
        let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
        let body = json!({ "cart_id": cart_id, "payment_method": "ach" });

        let request = client.checkout_request(&fresh_key(), &body);
        let reply = crate::support::Client::send(request).await;

        assert_eq!(reply.status, expected, "{}", reply.text());
        if expected == 422 {
            assert_eq!(reply.code(), "CHECKOUT_INVALID");
            assert_eq!(reply.violations(), ["payment_method_not_allowed"]);
        } else {
            let intent = &reply.data()["vendor_orders"][0]["payment_intent"];
            assert_eq!(
                (&intent["method"], &intent["status"]),
                (&json!("ach"), &json!("pending"))
            );
        }
    }
}
