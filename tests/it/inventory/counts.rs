//! What becomes of each item of a count.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Product, assert_consistent};

use super::{PATH, Shop, count, results, word, worker};

/// An item, what becomes of it in a word, and the figures that are told.
type Row = (Value, &'static str, Option<(i32, i32, i64)>);

/// One item for each product, and some more. Of the first and the sixth product, four units are reserved.
fn expected(products: &[Product], foreign: Product) -> Vec<Row> {
    let [
        on_hand,
        available,
        delta,
        threshold,
        same,
        below,
        zero,
        large,
        version,
    ] = products
    else {
        unreachable!()
    };
    let sku = available.id.simple().to_string();
    let (unknown, max) = (Uuid::now_v7(), i32::MAX);
    vec![
        (
            json!({ "product_id": on_hand.id, "on_hand_qty": 40 }),
            "changed",
            Some((36, 4, 1)),
        ),
        (
            json!({ "sku": sku, "available_qty": 12 }),
            "changed",
            Some((12, 0, 1)),
        ),
        (
            json!({ "product_id": delta.id, "delta_qty": -3, "low_stock_threshold": 5 }),
            "changed",
            Some((7, 0, 1)),
        ),
        (
            json!({ "product_id": threshold.id, "low_stock_threshold": 5 }),
            "changed",
            Some((10, 0, 1)),
        ),
        (
            json!({ "product_id": same.id, "on_hand_qty": 10 }),
            "unchanged",
            Some((10, 0, 0)),
        ),
        (
            json!({ "product_id": below.id, "on_hand_qty": 3 }),
            "below_reserved",
            Some((6, 4, 0)),
        ),
        (
            json!({ "product_id": zero.id, "delta_qty": -11 }),
            "below_zero",
            Some((10, 0, 0)),
        ),
        (
            json!({ "product_id": large.id, "delta_qty": max }),
            "too_large",
            Some((10, 0, 0)),
        ),
        (
            json!({ "product_id": version.id, "available_qty": 3, "if_version": 1 }),
            "version_mismatch",
            Some((10, 0, 0)),
        ),
        (
            json!({ "product_id": available.id, "delta_qty": 1 }),
            "duplicate_product",
            Some((12, 0, 1)),
        ),
        (
            json!({ "product_id": zero.id, "delta_qty": 1 }),
            "duplicate_product",
            Some((10, 0, 0)),
        ),
        (
            json!({ "product_id": foreign.id, "delta_qty": 1 }),
            "product_not_found",
            None,
        ),
        (
            json!({ "product_id": unknown, "delta_qty": 1 }),
            "product_not_found",
            None,
        ),
        (
            json!({ "sku": "NONE", "delta_qty": 1 }),
            "product_not_found",
            None,
        ),
    ]
}

#[tokio::test]
async fn each_item_is_decided_and_told_in_its_place() {
    let shop = Shop::with_stock(&[10; 9]).await;
    let foreign = shop.world.market.sold_product(500, 7).await;
    for product in [shop.products[0], shop.products[5]] {
        shop.sell(product, 4).await;
    }
    let rows = expected(&shop.products, foreign);
    let items: Vec<_> = rows.iter().map(|(item, ..)| item.clone()).collect();

    let told = shop.count(&items).await;

    assert_eq!(told.len(), rows.len());
    for (told, (item, expected, figures)) in told.iter().zip(&rows) {
        assert_eq!(word(told), *expected, "{item}");
        let (available, reserved, version) = match figures {
            Some((available, reserved, version)) => {
                (json!(available), json!(reserved), json!(version))
            }
            None => (Value::Null, Value::Null, Value::Null),
        };
        assert_eq!(told["available_qty"], available, "{item}");
        assert_eq!(told["reserved_qty"], reserved, "{item}");
        assert_eq!(told["version"], version, "{item}");
        for name in ["product_id", "sku"] {
            if item[name].is_string() {
                assert_eq!(told[name], item[name]);
            }
        }
    }
    assert_eq!(told[1]["product_id"], json!(shop.products[1].id));
    assert_eq!(told[11]["sku"], Value::Null);
    for (product, (_, _, figures)) in shop.products.iter().zip(&rows) {
        assert_eq!(Some(shop.stock(*product).await), *figures);
    }
    assert_eq!(shop.world.market.stock_of(foreign).await, (7, 0));
    let rows = "splitcart_counted_rows_total{outcome=\"refused\"}";
    assert_eq!(shop.world.server.metric(rows).await, 9.0);
    assert_consistent(&shop.world.market.database).await;
}

#[tokio::test]
async fn a_version_counts_counts_and_not_what_is_sold() {
    let shop = Shop::with_stock(&[10]).await;
    let product = shop.products[0];
    let item =
        |version: i64| json!({ "product_id": product.id, "delta_qty": 1, "if_version": version });

    assert_eq!(word(&shop.count(&[item(0)]).await[0]), "changed");
    shop.sell(product, 2).await;
    assert_eq!(word(&shop.count(&[item(0)]).await[0]), "version_mismatch");
    assert_eq!(word(&shop.count(&[item(1)]).await[0]), "changed");

    assert_eq!(shop.stock(product).await, (10, 2, 2));
}

#[tokio::test]
async fn a_product_that_was_never_counted_counts_from_nothing() {
    let shop = Shop::with_stock(&[0, 0, 0]).await;
    let database = &shop.world.market.database;
    database.run("delete from inventory_items").await;
    let items = |qty: i32| {
        let [counted, empty, refused] = &shop.products[..] else {
            unreachable!()
        };
        [
            json!({ "product_id": counted.id, "on_hand_qty": qty }),
            json!({ "product_id": empty.id, "available_qty": 0 }),
            json!({ "product_id": refused.id, "delta_qty": -1 }),
        ]
    };

    let first = shop.count(&items(8)).await;
    let again = shop.count(&items(8)).await;

    let words: Vec<_> = first.iter().map(word).collect();
    assert_eq!(words, ["changed", "unchanged", "below_zero"]);
    assert_eq!(word(&again[0]), "unchanged");
    assert_eq!(shop.stock(shop.products[0]).await, (8, 0, 1));
    assert_eq!(shop.stock(shop.products[1]).await, (0, 0, 0));
    let rows = "select count(*) from inventory_items";
    assert_eq!(database.count(rows).await, 2);
    shop.sell(shop.products[0], 8).await;
}

#[tokio::test]
async fn a_thousand_products_are_counted_at_once() {
    let shop = Shop::with_stock(&[]).await;
    let make = format!(
        "insert into products (id, vendor_store_id, sku, title, category, unit, price)
         select gen_random_uuid(), '{}', 'S-' || n, 'A product', 'flower', 'unit', 5
         from generate_series(1, 1000) n",
        shop.vendor.store_id
    );
    shop.world.market.database.run(&make).await;
    let items = |qty: i32| -> Vec<_> {
        let numbers = (1..=1000).rev();
        let item = |nr| json!({ "sku": format!("S-{nr}"), "available_qty": qty + nr });
        numbers.map(item).collect()
    };
    for (qty, version) in [(10, 1), (20, 2)] {
        let told = shop.count(&items(qty)).await;
        assert_eq!(told.len(), 1000);
        for (nr, told) in (1..=1000).rev().zip(&told) {
            assert_eq!(word(told), "changed");
            assert_eq!(told["sku"], format!("S-{nr}"));
            assert_eq!(told["available_qty"], qty + nr);
            assert_eq!(told["version"], version);
        }
    }
    let right = "select count(*) from inventory_items join products on id = product_id
                 where sku = 'S-' || (available_qty - 20) and version = 2";
    assert_eq!(shop.world.market.database.count(right).await, 1000);
}

#[tokio::test]
async fn a_vendor_without_a_licence_or_a_subscription_still_counts() {
    let shop = Shop::with_stock(&[10]).await;
    let market = &shop.world.market;
    market.lapse_licence(shop.vendor.store_id).await;
    market.database.run("delete from subscriptions").await;

    let told = shop
        .count(&[json!({ "product_id": shop.products[0].id, "delta_qty": 1 })])
        .await;

    assert_eq!(word(&told[0]), "changed");
}

#[tokio::test]
async fn only_members_of_a_vendor_who_may_change_things_count() {
    let shop = Shop::with_stock(&[10]).await;
    let good = [json!({ "product_id": shop.products[0].id, "delta_qty": 1 })];
    let buyer = shop.world.client(&shop.world.market.buyer().await);
    let viewer = worker(&shop.world, shop.vendor, "viewer").await;
    for client in [&buyer, &viewer] {
        // Of a body that is wrong, they do not learn that either.
        for items in [&good[..], &[json!({})]] {
            let reply = count(client, items).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "FORBIDDEN"));
        }
    }
    let reply = count(&shop.world.server.stranger(), &good).await;
    assert_eq!(reply.status, 401);
    assert_eq!(shop.stock(shop.products[0]).await, (10, 0, 0));
    let manager = worker(&shop.world, shop.vendor, "manager").await;
    assert_eq!(word(&results(&count(&manager, &good).await)[0]), "changed");
    let reply = Client::send(viewer.request(reqwest::Method::GET, PATH)).await;
    assert_eq!(reply.status, 200);
}
