//! `POST /api/v1/checkout/preview`: the outcome that a checkout would have, without any effect.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Reply, World, client::fresh_key, market::cart_of};

async fn preview(client: &Client, body: &Value) -> Reply {
    let request = client.request(Method::POST, "/api/v1/checkout/preview");
    Client::send(request.json(body)).await
}

/// The data without the fields that only a preview or only a checkout has.
fn without_ids(mut data: Value) -> Value {
    let data_fields = data.as_object_mut().unwrap();
    for name in [
        "checkout_group_id",
        "created_at",
        "cart_total",
        "cart_version",
        "valid_until",
    ] {
        data_fields.remove(name);
    }
    data_fields.remove("rejected_vendors");
    for order in data["vendor_orders"].as_array_mut().unwrap() {
        let order = order.as_object_mut().unwrap();
        for name in ["order_id", "payment_intent", "payment_method"] {
            order.remove(name);
        }
        for line in order["items"].as_array_mut().unwrap() {
            line.as_object_mut().unwrap().remove("line_item_id");
        }
    }
    data
}

#[tokio::test]
async fn a_preview_says_what_the_checkout_then_does_under_every_policy() {
    for policy in ["reject_line", "fill", "reject_vendor"] {
        let world = World::start().await;
        let client = world.client(&world.market.buyer().await);
        let vendor = world.market.vendor().await;
        let short = world.market.product(vendor, 500, 10).await;
        let beside = world.market.product(vendor, 300, 10).await;
        let gone = world.market.sold_product(100, 10).await;
        let fine = world.market.sold_product(200, 10).await;
        let lines = [(short, 10), (beside, 2), (gone, 1), (fine, 1)];
        let cart_id = client.freeze(&cart_of(&lines)).await;
        world.market.stock(short, 7).await;
        world.market.lapse_licence(gone.vendor.store_id).await;
        let before = world.market.database.contents().await;
        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });

        let foreseen = preview(&client, &body).await;

        assert_eq!(foreseen.status, 200, "{}", foreseen.text());
        assert_eq!(world.market.database.contents().await, before);
        // The preview's total and version of the cart can be expected of the checkout.
        let mut body = body;
        body["expected_total"] = foreseen.data()["cart_total"].clone();
        body["expected_version"] = foreseen.data()["cart_version"].clone();
        let done = Client::send(client.checkout_request(&fresh_key(), &body)).await;
        assert_eq!(without_ids(foreseen.data()), without_ids(done.data()));
        let vendors = |reply: &Reply| {
            let rejected = reply.data()["rejected_vendors"].clone();
            let rejected = rejected.as_array().unwrap().clone();
            rejected
                .into_iter()
                .map(|it| (it["vendor_store_id"].clone(), it["fully_rejected"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(vendors(&foreseen), vendors(&done), "{policy}");
    }
}

#[tokio::test]
async fn a_preview_is_refused_as_the_checkout_would_be() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let stranger = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 4)])).await;
    world.market.stock(product, 3).await;
    let with = |field: &str, value: Value| json!({ "cart_id": cart_id, field: value });
    for (body, status, code) in [
        (
            with("shortage_policy", json!("all_or_nothing")),
            409,
            "STOCK_CHANGED",
        ),
        (with("expected_total", json!("1.00")), 409, "CART_CHANGED"),
        (
            with("payment_method", json!("ach")),
            422,
            "CHECKOUT_INVALID",
        ),
        (with("colour", json!("red")), 400, "VALIDATION_ERROR"),
    ] {
        let reply = preview(&client, &body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let foreign = preview(&stranger, &json!({ "cart_id": cart_id })).await;
    assert_eq!(foreign.code(), "NOT_FOUND");
    let age = "update cart_records set updated_at = now() - interval '25 hours'";
    world.market.database.run(age).await;
    let body = json!({ "cart_id": cart_id });
    assert_eq!(preview(&client, &body).await.code(), "CART_EXPIRED");
    client.freeze(&cart_of(&[(product, 3)])).await;
    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);
    assert_eq!(
        preview(&client, &body).await.code(),
        "CART_ALREADY_CONVERTED"
    );
}

/// A preview waits for no lock: not for a checkout that holds the stock and the cart.
#[tokio::test]
async fn a_preview_waits_for_no_lock() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 4)])).await;
    let mut held = world.market.hold_stock(product).await;
    let lock = "select from cart_records for update";
    sqlx::query(lock).execute(&mut *held).await.unwrap();

    let reply = preview(&client, &json!({ "cart_id": cart_id })).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn those_who_may_look_may_preview_and_no_key_is_needed() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 4)])).await;
    let body = json!({ "cart_id": cart_id });
    let viewer = world.client(&world.market.colleague(&buyer, "viewer").await);
    assert_eq!(preview(&viewer, &body).await.status, 200);
    assert_eq!(preview(&world.server.stranger(), &body).await.status, 401);
}
