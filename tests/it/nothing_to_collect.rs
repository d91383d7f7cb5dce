//! An order that costs 0.00 has no payment intent: nothing is to be collected.

use serde_json::json;

use crate::support::{
    Client, World, assert_consistent,
    client::fresh_key,
    market::{cart_of, money},
};

#[tokio::test]
async fn an_order_over_nothing_is_placed_without_a_payment_intent() {
    let world = World::with_settings(&[("SPLITCART_ALLOW_ACH", "true")]).await;
    for (kind, value) in [("percentage", "100"), ("fixed", "99999.00")] {
        for method in ["cash", "ach"] {
            let client = world.client(&world.market.buyer().await);
            let free = world.market.sold_product(500, 10).await;
            let paid = world.market.sold_product(300, 10).await;
            world
                .market
                .discount(free.vendor, "GIFT", kind, value)
                .await;
            let mut cart = cart_of(&[(free, 2), (paid, 1)]);
            cart["discounts"] =
                json!([{ "vendor_store_id": free.vendor.store_id, "code": "GIFT" }]);
            cart["totals"]["discount_total"] = json!(money(1000));
            cart["totals"]["total"] = json!(money(300));
            let cart_id = client.freeze(&cart).await;
            let body = json!({ "cart_id": cart_id, "payment_method": method });

            let bought = Client::send(client.checkout_request(&fresh_key(), &body)).await;

            assert_eq!(bought.status, 201, "{}", bought.text());
            let data = bought.data();
            for order in data["vendor_orders"].as_array().unwrap() {
                let is_free = order["vendor_store_id"] == json!(free.vendor.store_id);
                assert_eq!(order["status"], "created_pending");
                assert_eq!(order["payment_intent"].is_null(), is_free, "{order}");
                assert_eq!(order["balance_due"] == "0.00", is_free, "{order}");
                let id = order["order_id"].as_str().unwrap();
                let read = client.get(&format!("/api/v1/orders/{id}")).await;
                assert_eq!(read.data()["payment_intent"].is_null(), is_free);
            }
        }
    }
    let over_nothing = "select count(*) from payment_intents where amount = 0";
    assert_eq!(world.market.database.count(over_nothing).await, 0);
    assert_consistent(&world.market.database).await;
}

/// Orders of earlier versions keep their intents.
#[tokio::test]
async fn the_audit_lets_intents_over_nothing_be_that_were_written_before() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let free = world.market.sold_product(500, 10).await;
    world
        .market
        .discount(free.vendor, "GIFT", "percentage", "100")
        .await;
    let mut cart = cart_of(&[(free, 2)]);
    cart["discounts"] = json!([{ "vendor_store_id": free.vendor.store_id, "code": "gift" }]);
    cart["totals"]["discount_total"] = json!(money(1000));
    cart["totals"]["total"] = json!(money(0));
    let cart_id = client.freeze(&cart).await;
    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);
    let database = &world.market.database;

    database
        .run(
            "insert into payment_intents (id, order_id, amount)
             select gen_random_uuid(), id, 0 from vendor_orders",
        )
        .await;

    assert_consistent(database).await;
}
