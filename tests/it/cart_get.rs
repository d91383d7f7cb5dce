//! `GET /api/v1/cart` (PF-076).

use serde_json::json;

use crate::support::{World, client::fresh_key, market::cart_of};

/// PF-076: "Returns 200 with cart if exists", "Include cart items with snapshots".
#[tokio::test]
async fn the_active_cart_is_read_back_as_it_was_answered() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let vendor = world.market.vendor().await;
    let mut lines = Vec::new();
    for price in [300, 100, 200] {
        lines.push((world.market.product(vendor, price, 50).await, 2));
        lines.push((world.market.sold_product(price, 50).await, 1));
    }
    // The lines follow neither the order in which the products were made nor that of their vendors.
    lines.reverse();
    lines.swap(1, 4);
    world
        .market
        .discount(vendor, "TEN", "percentage", "10")
        .await;
    let mut cart = cart_of(&lines);
    cart["discounts"] = json!([{ "vendor_store_id": vendor.store_id, "code": "TEN" }]);
    cart["totals"] = json!({ "subtotal": "18.00", "discount_total": "1.20", "total": "16.80" });
    cart["shipping_address"] = json!({
        "line1": "1 Main St", "line2": "Floor 2", "city": "Tulsa", "state": "OK",
        "postal_code": "74103", "country": "US",
    });
    let put = client.put_cart(&fresh_key(), &cart).await;
    assert_eq!(put.status, 200, "{}", put.text());

    let reply = client.get_cart().await;

    assert_eq!((reply.status, reply.text()), (200, put.text()));
    assert_eq!(reply.header("content-type"), "application/json");
    let items = reply.data()["items"].as_array().unwrap().clone();
    let order: Vec<_> = items.iter().map(|it| it["product_id"].clone()).collect();
    let given: Vec<_> = lines.iter().map(|(product, _)| json!(product.id)).collect();
    assert_eq!(order, given);
}

/// The snapshot shows the frozen cart, whatever the catalogue says now.
#[tokio::test]
async fn later_changes_in_the_catalogue_do_not_show() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 50).await;
    let put = client
        .put_cart(&fresh_key(), &cart_of(&[(product, 2)]))
        .await;
    world
        .market
        .database
        .run("update products set price = 9, title = 'new', sku = 'new', moq = 20, is_active = false")
        .await;

    let reply = client.get_cart().await;

    assert_eq!((reply.status, reply.bytes), (200, put.bytes));
}

/// PF-076: "Returns 404 if no active cart"; reading changes nothing.
#[tokio::test]
async fn without_an_active_cart_it_is_not_found() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 50).await;
    let before = world.market.database.contents().await;

    let never = client.get_cart().await;
    assert_eq!(world.market.database.contents().await, before);
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    client.check_out(&fresh_key(), cart_id).await.data();
    let bought = client.get_cart().await;

    for reply in [never, bought] {
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    }
}

/// PF-076: "Enforces buyer-store access".
#[tokio::test]
async fn a_buyer_sees_the_own_store_s_cart_only() {
    let world = World::start().await;
    let (first, second) = (world.market.buyer().await, world.market.buyer().await);
    let product = world.market.sold_product(500, 50).await;
    let own = world.client(&first).freeze(&cart_of(&[(product, 2)])).await;

    let empty = world.client(&second).get_cart().await;
    let other = world
        .client(&second)
        .freeze(&cart_of(&[(product, 3)]))
        .await;

    assert_eq!((empty.status, empty.code().as_str()), (404, "NOT_FOUND"));
    for (buyer, cart_id) in [(first, own), (second, other)] {
        let data = world.client(&buyer).get_cart().await.data();
        assert_eq!(data["id"], json!(cart_id));
        assert_eq!(data["buyer_store_id"], json!(buyer.store_id));
    }
}
