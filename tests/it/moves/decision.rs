//! A vendor decides about an order, whole or line by line.

use serde_json::{Value, json};

use crate::support::{
    Client, assert_consistent,
    client::fresh_key,
    market::{cart_of, item},
};

use super::{Stage, accept, conflict, decide, fulfil, id, line_statuses, path, request};

fn figures(order: &Value) -> [String; 4] {
    ["subtotal", "discount_total", "total", "balance_due"].map(|name| id(&order[name]))
}

#[tokio::test]
async fn accepting_all_keeps_the_stock_and_the_figures() {
    let stage = Stage::with_products(&[500, 700]).await;
    let order = stage.buy(&[2, 3]).await;
    let before = figures(&order);

    let accepted = accept(&stage.vendor, &order).await.data();

    assert_eq!(accepted["status"], "accepted");
    assert_eq!(line_statuses(&accepted), ["accepted", "accepted"]);
    assert_eq!(figures(&accepted), before);
    assert_eq!(accepted["payment_intent"], order["payment_intent"]);
    assert_eq!(stage.stock().await, [(8, 2, 0), (7, 3, 0)]);
    let read = format!("/api/v1/orders/{}", id(&order["order_id"]));
    assert_eq!(stage.buyer.get(&read).await.data(), accepted);
    assert_consistent(&stage.world.market.database).await;
}

#[tokio::test]
async fn rejecting_all_gives_the_stock_back_and_leaves_nothing_to_pay() {
    let stage = Stage::with_products(&[500, 700]).await;
    let order = stage.buy(&[2, 3]).await;

    let body = json!({ "decision": "reject", "note": "Flooded." });
    let rejected = decide(&stage.vendor, &order, &body).await.data();

    assert_eq!(rejected["status"], "rejected");
    assert_eq!(rejected["rejection_reason"], "vendor_rejected");
    assert_eq!(figures(&rejected), ["0.00"; 4]);
    assert_eq!(rejected["payment_intent"]["status"], "failed");
    assert_eq!(rejected["payment_intent"]["amount"], "0.00");
    for line in rejected["items"].as_array().unwrap() {
        assert_eq!(line["rejection"]["reason"], "vendor_rejected");
        assert_eq!(line["rejection"]["note"], "Flooded.");
        assert_eq!(line["rejection"]["available_qty"], Value::Null);
        // A rejected line keeps the figures it was offered at.
        assert_ne!(line["total"], "0.00");
    }
    assert_eq!(stage.stock().await, [(10, 0, 0), (10, 0, 0)]);
    let group = format!(
        "/api/v1/checkout-groups/{}",
        id(&order["checkout_group_id"])
    );
    let group = stage.buyer.get(&group).await.data();
    assert_eq!(group["total"], "0.00");
    assert_consistent(&stage.world.market.database).await;
}

/// The order stays as it is called while any line is pending, and figures follow what is left.
#[tokio::test]
async fn lines_are_decided_one_after_the_other() {
    let stage = Stage::with_products(&[500, 700, 900]).await;
    stage
        .world
        .market
        .discount(stage.shop, "TEN", "percentage", "10")
        .await;
    let order = stage.buy(&[2, 3, 1]).await;
    let line = |place: usize| order["items"][place]["line_item_id"].clone();

    let first = json!({ "lines": [
        { "line_item_id": line(1), "decision": "reject", "note": "Sold out." },
    ] });
    let first = decide(&stage.vendor, &order, &first).await.data();
    let last = json!({ "lines": [
        { "line_item_id": line(0), "decision": "accept" },
        { "line_item_id": line(2), "decision": "accept" },
    ] });
    let last = decide(&stage.vendor, &order, &last).await.data();

    assert_eq!(first["status"], "created_pending");
    assert_eq!(line_statuses(&first), ["pending", "rejected", "pending"]);
    assert_eq!(figures(&first), ["19.00", "0.00", "19.00", "19.00"]);
    assert_eq!(first["payment_intent"]["amount"], "19.00");
    assert_eq!(last["status"], "partially_accepted");
    assert_eq!(line_statuses(&last), ["accepted", "rejected", "accepted"]);
    assert_eq!(last["rejection_reason"], Value::Null);
    assert!(last["updated_at"].as_str() > first["updated_at"].as_str());
    assert_eq!(stage.stock().await, [(8, 2, 0), (10, 0, 0), (9, 1, 0)]);
    assert_consistent(&stage.world.market.database).await;
}

/// A percentage is taken of what remains; a fixed amount stays, capped at it.
#[tokio::test]
async fn a_discount_once_granted_is_taken_off_what_is_left() {
    for (kind, value, total) in [("percentage", "10", "9.00"), ("fixed", "12.00", "0.00")] {
        let stage = Stage::with_products(&[500, 700]).await;
        let market = &stage.world.market;
        market.discount(stage.shop, "OFF", kind, value).await;
        let buyer = &stage.buyer;
        let mut cart = json!({
            "items": [
                item(stage.products[0], 2),
                item(stage.products[1], 3),
            ],
            "discounts": [{ "vendor_store_id": stage.shop.store_id, "code": "OFF" }],
        });
        let quoted = Client::send(
            buyer
                .request(reqwest::Method::POST, "/api/v1/cart/quote")
                .json(&cart),
        );
        let quoted = quoted.await.data();
        cart["totals"] = quoted["totals"].clone();
        let group = super::check_out(buyer, &cart).await;
        let order = group["vendor_orders"][0].clone();

        let body = json!({ "lines": [
            { "line_item_id": order["items"][1]["line_item_id"], "decision": "reject" },
        ] });
        let decided = decide(&stage.vendor, &order, &body).await.data();

        assert_eq!(decided["total"], total, "{kind}");
        assert_eq!(decided["payment_intent"]["amount"], total);
        let settled = if total == "0.00" { "settled" } else { "unpaid" };
        assert_eq!(decided["payment_intent"]["status"], settled);
        assert_consistent(&market.database).await;
    }
}

#[tokio::test]
async fn a_decision_about_wrong_lines_changes_none() {
    let stage = Stage::with_products(&[500, 700]).await;
    let (order, other) = (stage.buy(&[2, 3]).await, stage.buy(&[1, 1]).await);
    let line = |order: &Value, place: usize| order["items"][place]["line_item_id"].clone();
    let decided = json!({ "lines": [{ "line_item_id": line(&order, 0), "decision": "accept" }] });
    let decided = decide(&stage.vendor, &order, &decided).await;
    assert_eq!(decided.status, 200, "{}", decided.text());
    let before = stage.world.market.database.contents().await;

    let foreign = json!({ "lines": [
        { "line_item_id": line(&order, 0), "decision": "accept" },
        { "line_item_id": line(&other, 0), "decision": "accept" },
    ] });
    let foreign = decide(&stage.vendor, &order, &foreign).await;
    let again = json!({ "lines": [
        { "line_item_id": line(&order, 1), "decision": "accept" },
        { "line_item_id": line(&order, 0), "decision": "reject" },
    ] });
    let again = decide(&stage.vendor, &order, &again).await;

    assert_eq!(
        (foreign.status, foreign.code().as_str()),
        (400, "VALIDATION_ERROR")
    );
    assert_eq!(foreign.bad_fields(), ["/lines/1/line_item_id"]);
    let details = conflict(&again);
    assert_eq!(details["order_id"], order["order_id"]);
    assert_eq!(details["status"], "created_pending");
    assert_eq!(details["allowed"], json!(["created_pending"]));
    assert_eq!(details["line_item_ids"], json!([line(&order, 0)]));
    assert_eq!(stage.world.market.database.contents().await, before);
}

/// A line that the checkout rejected takes no part in a decision.
#[tokio::test]
async fn a_line_that_was_short_at_checkout_keeps_an_order_from_nothing() {
    let stage = Stage::with_products(&[500, 700]).await;
    let lines = [(stage.products[0], 2), (stage.products[1], 5)];
    let cart_id = stage.buyer.freeze(&cart_of(&lines)).await;
    stage.world.market.stock(stage.products[1], 4).await;
    let bought = stage.buyer.check_out(&fresh_key(), cart_id).await.data();
    let order = bought["vendor_orders"][0].clone();
    assert_eq!(line_statuses(&order), ["pending", "rejected"]);

    let short = json!({ "lines": [
        { "line_item_id": order["items"][1]["line_item_id"], "decision": "accept" },
    ] });
    let short = decide(&stage.vendor, &order, &short).await;
    let accepted = accept(&stage.vendor, &order).await.data();

    assert_eq!(
        conflict(&short)["line_item_ids"],
        json!([order["items"][1]["line_item_id"]])
    );
    assert_eq!(accepted["status"], "accepted");
    assert_eq!(line_statuses(&accepted), ["accepted", "rejected"]);
    assert_consistent(&stage.world.market.database).await;
}

#[tokio::test]
async fn an_order_is_decided_once() {
    let stage = Stage::with_products(&[500]).await;
    let order = stage.buy(&[2]).await;
    let (key, body) = (fresh_key(), json!({ "decision": "accept" }));
    let send = |body: &Value| {
        let request = request(&stage.vendor, &path(&order, "decision"), &key, body);
        Client::send(request)
    };

    let first = send(&body).await;
    let again = send(&body).await;
    let reused = send(&json!({ "decision": "reject" })).await;
    let too_late = decide(&stage.vendor, &order, &json!({ "decision": "reject" })).await;
    let fulfilled = fulfil(&stage.vendor, &order).await.data();
    stage.world.redis.empty().await;
    let later = send(&body).await;

    assert_eq!(first.status, 200, "{}", first.text());
    assert!(again.is_replay() && later.is_replay());
    // Also after the order has moved on, and Redis has lost everything.
    assert_eq!((&again.bytes, &later.bytes), (&first.bytes, &first.bytes));
    assert_eq!(reused.code(), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(conflict(&too_late)["status"], "accepted");
    assert_eq!(fulfilled["status"], "fulfilled");
    assert_consistent(&stage.world.market.database).await;
}
