//! `PUT /api/v1/cart` (PF-075): the frozen data, the replacement of a cart, the repeated answers.
//!
//! Refused carts are tested in `cart_rules`, eligibility to trade in `cart_eligibility`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{
    Client, Reply, World,
    client::fresh_key,
    market::{cart_of, item},
};

/// PF-075: "Endpoint requires `Idempotency-Key`".
#[tokio::test]
async fn without_an_idempotency_key_nothing_is_frozen() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let before = world.market.database.contents().await;

    let request = client.request(reqwest::Method::PUT, "/api/v1/cart");
    let reply = Client::send(request.json(&cart_of(&[(product, 1)]))).await;

    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "VALIDATION_ERROR")
    );
    assert_eq!(reply.bad_fields(), ["Idempotency-Key"]);
    assert_eq!(world.market.database.contents().await, before);
}

/// PF-075: "Returns `CartRecord` summary". The example of the contract: list price 10.00, a tier of
/// 5 %, and 10 % of the vendor's 95.00 by SPRING.
#[tokio::test]
async fn the_example_of_the_contract_is_priced_as_it_says() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let product = world.market.sold_product(1000, 50).await;
    world.market.tier(product, 10, "5").await;
    let vendor = product.vendor;
    world
        .market
        .discount(vendor, "SPRING", "percentage", "10")
        .await;
    let address = json!({
        "line1": "1 Main St", "line2": null, "city": "Tulsa", "state": "OK",
        "postal_code": "74103", "country": "US",
    });
    let mut line = item(product, 10);
    line["unit_price"] = json!("9.50");
    line["line_total"] = json!("95.00");
    let cart = json!({
        "currency": "USD",
        "shipping_address": address,
        "items": [line],
        "discounts": [{ "vendor_store_id": vendor.store_id, "code": "SPRING" }],
        "totals": { "subtotal": "100.00", "discount_total": "14.50", "total": "85.50" },
    });

    let reply = client.put_cart(&fresh_key(), &cart).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/json");
    let data = reply.data();
    let sku = product.id.simple().to_string();
    let expected = json!({
        "id": uuid_of(&data["id"]),
        "buyer_store_id": buyer.store_id,
        "status": "active",
        "version": 1,
        "currency": "USD",
        "subtotal": "100.00",
        "discount_total": "14.50",
        "total": "85.50",
        "shipping_address": address,
        "items": [{
            "id": uuid_of(&data["items"][0]["id"]),
            "position": 0,
            "product_id": product.id,
            "vendor_store_id": vendor.store_id,
            "sku": sku,
            "title": format!("Product {sku}"),
            "unit": "unit",
            "image_url": null,
            "qty": 10,
            "moq": 1,
            "max_qty": null,
            "list_price": "10.00",
            "volume_discount_min_qty": 10,
            "volume_discount_percent": "5",
            "unit_price": "9.50",
            "line_subtotal": "100.00",
            "line_discount": "5.00",
            "line_total": "95.00",
        }],
        "vendor_groups": [{
            "vendor_store_id": vendor.store_id,
            "vendor_name": format!("Store {}", vendor.store_id),
            "subtotal": "100.00",
            "discount_total": "14.50",
            "total": "85.50",
            "store_discount": {
                "code": "SPRING", "title": "SPRING", "kind": "percentage", "value": "10",
                "amount": "9.50",
            },
        }],
        "created_at": data["created_at"],
        "updated_at": data["created_at"],
        "valid_until": data["valid_until"],
    });
    assert_eq!(data, expected);
    let created_at: DateTime<Utc> = data["created_at"].as_str().unwrap().parse().unwrap();
    assert!((Utc::now() - created_at).num_seconds().abs() < 60);
}

/// PF-075: snapshot fields come from the catalogue; lines keep their order, groups follow vendors.
#[tokio::test]
async fn every_vendor_has_a_group_and_every_line_its_place() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let (first, second) = (world.market.vendor().await, world.market.vendor().await);
    let plain = world.market.product(first, 399, 90).await;
    let tiered = world.market.product(second, 375, 90).await;
    let other = world.market.product(first, 1000, 90).await;
    // Stored in another order than that of their quantities; 9.2 % of 3.75 is 0.35.
    for (min_qty, percent) in [(20, "50"), (5, "9.2"), (2, "1")] {
        world.market.tier(tiered, min_qty, percent).await;
    }
    // More than the vendor's lines are worth: capped at them.
    world
        .market
        .discount(second, "BIG", "fixed", "500.00")
        .await;
    world
        .market
        .database
        .run(&format!(
            "update products set moq = 3, max_qty = 40, unit = 'eighth',
                image_url = 'https://example.com/a.png' where id = '{}'",
            tiered.id
        ))
        .await;
    let cart = json!({
        "items": [item(plain, 2), item(tiered, 10), item(other, 1)],
        "discounts": [{ "vendor_store_id": second.store_id, "code": "BIG" }],
        "totals": { "subtotal": "55.48", "discount_total": "37.50", "total": "17.98" },
    });

    let data = client.put_cart(&fresh_key(), &cart).await.data();

    assert_eq!(
        (&data["currency"], &data["shipping_address"]),
        (&json!("USD"), &json!(null))
    );
    let lines = data["items"].as_array().unwrap();
    let places: Vec<_> = lines
        .iter()
        .map(|line| (line["position"].clone(), line["product_id"].clone()))
        .collect();
    let sent = [plain, tiered, other].into_iter().zip(0..);
    let sent: Vec<_> = sent.map(|(it, nr)| (json!(nr), json!(it.id))).collect();
    assert_eq!(places, sent);
    for (field, value) in [
        ("moq", json!(3)),
        ("max_qty", json!(40)),
        ("unit", json!("eighth")),
        ("image_url", json!("https://example.com/a.png")),
        ("volume_discount_min_qty", json!(5)),
        ("volume_discount_percent", json!("9.2")),
        ("unit_price", json!("3.40")),
        ("line_subtotal", json!("37.50")),
        ("line_discount", json!("3.50")),
        ("line_total", json!("34.00")),
    ] {
        assert_eq!(lines[1][field], value, "{field}");
    }
    assert_eq!(lines[0]["volume_discount_min_qty"], json!(null));
    assert_eq!(lines[0]["volume_discount_percent"], json!(null));
    let groups = data["vendor_groups"].as_array().unwrap();
    let figures = |group: &Value| {
        ["vendor_store_id", "subtotal", "discount_total", "total"].map(|it| group[it].clone())
    };
    assert_eq!(groups.len(), 2);
    assert_eq!(
        figures(&groups[0]),
        [
            json!(first.store_id),
            json!("17.98"),
            json!("0.00"),
            json!("17.98")
        ]
    );
    assert_eq!(groups[0]["store_discount"], json!(null));
    assert_eq!(
        figures(&groups[1]),
        [
            json!(second.store_id),
            json!("37.50"),
            json!("37.50"),
            json!("0.00")
        ]
    );
    assert_eq!(
        groups[1]["store_discount"],
        json!({
            "code": "BIG", "title": "BIG", "kind": "fixed", "value": "500.00", "amount": "34.00",
        })
    );
}

/// PF-075: "Existing active cart is replaced, not duplicated".
#[tokio::test]
async fn an_active_cart_keeps_its_id_and_its_lines_are_replaced() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let (first, second) = (world.market.vendor().await, world.market.vendor().await);
    let mut lines = Vec::new();
    for vendor in [first, first, second] {
        lines.push((world.market.product(vendor, 1000, 50).await, 2));
    }
    world.market.discount(first, "OFF", "fixed", "5.00").await;
    let mut cart = cart_of(&lines);
    cart["discounts"] = json!([{ "vendor_store_id": first.store_id, "code": "OFF" }]);
    cart["totals"] = json!({ "subtotal": "60.00", "discount_total": "5.00", "total": "55.00" });
    cart["shipping_address"] = json!({
        "line1": "1 Main St", "city": "Tulsa", "state": "OK", "postal_code": "1", "country": "US",
    });
    let old = client.put_cart(&fresh_key(), &cart).await.data();
    assert_eq!(old["items"].as_array().unwrap().len(), 3);
    // A colleague's PUT changes the same cart: it is the store's.
    let colleague = world.client(&world.market.colleague(&buyer, "ops").await);

    let new = cart_of(&[(lines[2].0, 7)]);
    let new = colleague.put_cart(&fresh_key(), &new).await.data();

    assert_eq!(new["id"], old["id"]);
    assert_eq!((&old["version"], &new["version"]), (&json!(1), &json!(2)));
    assert_eq!(new["created_at"], old["created_at"]);
    assert_ne!(new["updated_at"], old["updated_at"]);
    assert_eq!(new["shipping_address"], json!(null));
    assert_eq!(new["total"], "70.00");
    assert_eq!(new["items"].as_array().unwrap().len(), 1);
    assert_eq!(new["vendor_groups"][0]["store_discount"], json!(null));
    assert_eq!(client.get_cart().await.data(), new);
    let database = &world.market.database;
    for (count, expected) in [
        ("select count(*) from cart_records", 1),
        ("select count(*) from cart_items", 1),
        ("select count(*) from cart_items where qty = 7", 1),
        ("select count(*) from cart_vendor_discounts", 0),
        // Freezing reserves nothing.
        ("select sum(reserved_qty) from inventory_items", 0),
    ] {
        assert_eq!(database.count(count).await, expected, "{count}");
    }
}

/// After a checkout the next PUT starts a new cart.
#[tokio::test]
async fn a_converted_cart_is_left_alone() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let bought = client.freeze(&cart_of(&[(product, 2)])).await;
    assert_eq!(client.check_out(&fresh_key(), bought).await.status, 201);

    let new = client
        .put_cart(&fresh_key(), &cart_of(&[(product, 3)]))
        .await
        .data();

    assert_ne!(uuid_of(&new["id"]), bought.to_string());
    assert_eq!(new["version"], 1);
    let converted = "select count(*) from cart_records c join cart_items i on i.cart_id = c.id
                     where c.status = 'converted' and c.version = 1 and i.qty = 2";
    assert_eq!(world.market.database.count(converted).await, 1);
}

/// PF-075: "TTL for idempotency: 24h" (how long is shown in `checkout`), identical to the byte.
#[tokio::test]
async fn a_repeated_put_is_answered_as_the_first_time_and_changes_nothing() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 2)]));
    let first = client.put_cart(&key, &cart).await;
    assert_eq!((first.status, first.is_replay()), (200, false));
    let newer = client
        .put_cart(&fresh_key(), &cart_of(&[(product, 3)]))
        .await;
    assert_eq!(newer.data()["version"], 2);
    let before = world.market.database.contents().await;

    let replay = client.put_cart(&key, &cart).await;
    let reused = client.put_cart(&key, &cart_of(&[(product, 4)])).await;

    assert!(replay.is_replay());
    assert_eq!((replay.status, &replay.bytes), (200, &first.bytes));
    assert_eq!(
        (reused.status, reused.code().as_str()),
        (409, "IDEMPOTENCY_KEY_REUSED")
    );
    assert!(!reused.is_replay());
    assert_eq!(world.market.database.contents().await, before);
}

/// Refusals are not kept: the same key works once the reason is gone.
#[tokio::test]
async fn a_refused_put_leaves_its_key_free() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 1).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 2)]));
    let refused = client.put_cart(&key, &cart).await;
    assert_eq!(refused.violations(), ["insufficient_inventory"]);
    world.market.stock(product, 2).await;

    let reply = client.put_cart(&key, &cart).await;

    assert_eq!((reply.status, reply.is_replay()), (200, false));
}

/// PostgreSQL has the answers that Redis has lost (more of it in `idempotency::cart_keys`).
#[tokio::test]
async fn a_put_whose_key_redis_has_forgotten_hears_its_first_answer() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 2)]));
    let first = client.put_cart(&key, &cart).await;
    world.redis.empty().await;

    let again = client.put_cart(&key, &cart).await;

    assert!(again.is_replay());
    assert_eq!(again.bytes, first.bytes);
}

/// Fifty buyers' devices at once: one cart, and each PUT is one version of it.
#[tokio::test]
async fn parallel_first_puts_share_one_cart() {
    const PUTS: u64 = 50;
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(100, 1000).await;

    let puts = (1..=PUTS).map(|qty| {
        let cart = cart_of(&[(product, i32::try_from(qty).unwrap())]);
        let client = client.clone();
        async move { client.put_cart(&fresh_key(), &cart).await }
    });
    let replies: Vec<Reply> = futures_util::future::join_all(puts).await;

    let mut ids = BTreeSet::new();
    let mut versions = BTreeSet::new();
    for (reply, qty) in replies.iter().zip(1..) {
        let data = reply.data();
        assert_eq!(data["items"][0]["qty"], json!(qty));
        ids.insert(uuid_of(&data["id"]));
        versions.insert(data["version"].as_u64().unwrap());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(versions, (1..=PUTS).collect());
    let database = &world.market.database;
    assert_eq!(database.count("select count(*) from cart_records").await, 1);
    assert_eq!(database.count("select count(*) from cart_items").await, 1);
    // The stored cart is that of the last PUT.
    let last = replies
        .iter()
        .map(Reply::data)
        .max_by_key(|it| it["version"].as_u64());
    assert_eq!(client.get_cart().await.data(), last.unwrap());
}

fn uuid_of(value: &Value) -> String {
    let text = value.as_str().unwrap();
    text.parse::<uuid::Uuid>().unwrap();
    text.to_owned()
}
