//! Odd rows that satisfy the constraints and can only be written by hand, with SQL.

use serde_json::json;

use crate::support::{World, client::fresh_key, market::cart_of};

#[tokio::test]
async fn dates_without_end_or_far_away_are_dates_like_others() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let product = world.market.sold_product(500, 10).await;
    let discount = |window: &str| {
        format!(
            "update store_discounts set {window};
             update licenses set expires_on = null; update subscriptions set status = 'active'"
        )
    };
    world
        .market
        .discount(product.vendor, "CODE", "percentage", "10")
        .await;
    for (change, status) in [
        ("update licenses set expires_on = 'infinity'", 200),
        ("update licenses set expires_on = '5000000-01-01'", 200),
        (
            "update subscriptions set current_period_end = 'infinity'",
            200,
        ),
        (
            "update subscriptions set current_period_end = '290000-01-01'",
            200,
        ),
        (
            &discount("starts_at = '-infinity', ends_at = 'infinity'"),
            200,
        ),
        (
            "update subscriptions set current_period_end = '-infinity'",
            422,
        ),
        ("update licenses set expires_on = '-infinity'", 403),
    ] {
        world.market.database.run(change).await;
        let mut cart = cart_of(&[(product, 2)]);
        cart["discounts"] = json!([{ "vendor_store_id": product.vendor.store_id, "code": "code" }]);
        cart["totals"] = json!({ "subtotal": "10.00", "discount_total": "1.00", "total": "9.00" });
        let reply = client.put_cart(&fresh_key(), &cart).await;
        assert_eq!(reply.status, status, "{change}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_cart_without_lines_can_not_be_bought() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    world.market.database.run("delete from cart_items").await;

    let reply = client.check_out(&fresh_key(), cart_id).await;

    assert_eq!(
        (reply.status, reply.code().as_str()),
        (422, "CHECKOUT_INVALID")
    );
    assert_eq!(reply.violations(), ["cart_empty"]);
    assert_eq!(
        world
            .market
            .database
            .count("select count(*) from checkout_groups")
            .await,
        0
    );
}

#[tokio::test]
async fn a_cart_converted_by_hand_is_not_found() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let convert = "update cart_records set status = 'converted', converted_at = now()";
    world.market.database.run(convert).await;

    let reply = client.check_out(&fresh_key(), cart_id).await;

    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn an_address_that_is_none_is_shown_as_none() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    for address in ["'{}'", "'\"x\"'", "'null'"] {
        let change = format!("update cart_records set shipping_address = {address}::jsonb");
        world.market.database.run(&change).await;
        assert_eq!(
            client.get_cart().await.data()["shipping_address"],
            json!(null),
            "{address}"
        );
    }

    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);
}
