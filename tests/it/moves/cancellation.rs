//! A buyer calls orders off: one, or all of a checkout.

use serde_json::{Value, json};

use crate::support::{Client, World, assert_consistent, client::fresh_key, market::cart_of};

use super::{
    Stage, accept, cancel, check_out, conflict, fulfil, id, line_statuses, path, post, request,
    worker,
};

#[tokio::test]
async fn a_canceled_order_gives_everything_back() {
    for is_accepted in [false, true] {
        let stage = Stage::with_products(&[500, 700]).await;
        let order = stage.buy(&[2, 3]).await;
        if is_accepted {
            accept(&stage.vendor, &order).await.data();
        }
        let body = json!({ "note": "Closed this week." });

        let canceled = post(&stage.buyer, &path(&order, "cancellation"), &body)
            .await
            .data();

        assert_eq!(canceled["status"], "canceled");
        assert_eq!(line_statuses(&canceled), ["rejected", "rejected"]);
        for line in canceled["items"].as_array().unwrap() {
            assert_eq!(line["rejection"]["reason"], "order_canceled");
            assert_eq!(line["rejection"]["note"], "Closed this week.");
        }
        assert_eq!(canceled["rejection_reason"], Value::Null);
        assert_eq!(canceled["total"], "0.00");
        assert_eq!(canceled["balance_due"], "0.00");
        assert_eq!(canceled["payment_intent"]["status"], "failed");
        assert_eq!(stage.stock().await, [(10, 0, 0), (10, 0, 0)]);
        assert_eq!(
            conflict(&cancel(&stage.buyer, &order).await)["status"],
            "canceled"
        );
        assert_consistent(&stage.world.market.database).await;
    }
}

/// Three vendors: one has fulfilled its order, one has accepted, one has not decided.
#[tokio::test]
async fn a_group_is_canceled_as_far_as_it_can_be() {
    let world = World::start().await;
    let buyer = world.client(&world.market.buyer().await);
    let mut lines = Vec::new();
    let mut vendors = Vec::new();
    for price in [500, 700, 900] {
        let shop = world.market.vendor().await;
        vendors.push(worker(&world, shop, "owner").await);
        lines.push((world.market.product(shop, price, 10).await, 1));
    }
    let group = check_out(&buyer, &cart_of(&lines)).await;
    let orders = group["vendor_orders"].as_array().unwrap();
    accept(&vendors[0], &orders[0]).await.data();
    fulfil(&vendors[0], &orders[0]).await.data();
    accept(&vendors[1], &orders[1]).await.data();
    let group_id = id(&group["checkout_group_id"]);
    let (path, key) = (
        format!("/api/v1/checkout-groups/{group_id}/cancellation"),
        fresh_key(),
    );
    let send = || Client::send(request(&buyer, &path, &key, &json!({})));

    let first = send().await;
    let again = send().await;
    let by_a_vendor = post(&vendors[1], &path, &json!({})).await;
    let nothing_left = post(&buyer, &path, &json!({})).await;
    let read = buyer
        .get(&format!("/api/v1/checkout-groups/{group_id}"))
        .await
        .data();

    let data = first.data();
    assert_eq!(data["checkout_group_id"], group["checkout_group_id"]);
    assert_eq!(
        data["canceled_order_ids"],
        json!([orders[1]["order_id"], orders[2]["order_id"]])
    );
    assert_eq!(data["other_order_ids"], json!([orders[0]["order_id"]]));
    assert_eq!(data["total"], "5.00");
    assert!(again.is_replay());
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(by_a_vendor.status, 403, "{}", by_a_vendor.text());
    let details = conflict(&nothing_left);
    assert_eq!(details.get("order_id"), None);
    assert_eq!(details.get("status"), None);
    assert_eq!(
        details["allowed"],
        json!(["created_pending", "accepted", "partially_accepted"])
    );
    assert_eq!(read["total"], "5.00");
    for (product, _) in &lines[1..] {
        assert_eq!(world.market.stock_of(*product).await, (10, 0));
    }
    assert_consistent(&world.market.database).await;
}
