//! Orders that no vendor has decided about in time.

use serde_json::{Value, json};

use crate::support::{Server, World, assert_consistent, wait};

use super::{Stage, accept, cancel, conflict, decide, id, line_statuses};

async fn until_status(stage: &Stage, order: &Value, status: &str) -> Value {
    let path = format!("/api/v1/orders/{}", id(&order["order_id"]));
    wait::until(&format!("the order is {status}"), async || {
        stage.buyer.get(&path).await.data()["status"] == status
    })
    .await;
    stage.buyer.get(&path).await.data()
}

/// Makes all orders older, as if their checkouts had been long ago.
async fn age(world: &World, days: i32) {
    let aging = "update vendor_orders set created_at = created_at - make_interval(days => $1)";
    sqlx::query(aging)
        .bind(days)
        .execute(&world.market.database.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_order_that_is_not_decided_in_time_expires() {
    let settings = [("SPLITCART_ORDERS_DECIDE_WITHIN", "1s")];
    let stage = Stage::with_settings(&[500, 700], &settings).await;
    let order = stage.buy(&[2, 3]).await;

    let expired = until_status(&stage, &order, "expired").await;

    assert_eq!(line_statuses(&expired), ["rejected", "rejected"]);
    for line in expired["items"].as_array().unwrap() {
        assert_eq!(line["rejection"]["reason"], "order_expired");
    }
    assert_eq!(expired["total"], "0.00");
    assert_eq!(expired["payment_intent"]["status"], "failed");
    assert_eq!(stage.stock().await, [(10, 0, 0), (10, 0, 0)]);
    assert_eq!(
        conflict(&accept(&stage.vendor, &order).await)["status"],
        "expired"
    );
    let redis = &stage.world.redis;
    wait::until("the expiry is published", async || {
        let events = redis.events().await;
        let expiry = events.iter().find(|event| event["type"] == "order_expired");
        expiry.is_some_and(|event| {
            event["actor"].is_null() && event["data"]["order_id"] == order["order_id"]
        })
    })
    .await;
    assert_consistent(&stage.world.market.database).await;
}

/// Ten days are the default; what is decided in part is not decided, and what is decided stays.
#[tokio::test]
async fn only_late_orders_that_wait_for_a_decision_expire() {
    let stage = Stage::with_products(&[500, 700]).await;
    let half = stage.buy(&[1, 1]).await;
    let accepted = stage.buy(&[1, 1]).await;
    let body = json!({ "lines": [
        { "line_item_id": half["items"][0]["line_item_id"], "decision": "accept" },
    ] });
    assert_eq!(decide(&stage.vendor, &half, &body).await.status, 200);
    assert_eq!(accept(&stage.vendor, &accepted).await.status, 200);
    age(&stage.world, 11).await;
    let young = stage.buy(&[1, 1]).await;

    let half = until_status(&stage, &half, "expired").await;

    assert_eq!(line_statuses(&half), ["rejected", "rejected"]);
    for (order, status) in [(accepted, "accepted"), (young, "created_pending")] {
        let path = format!("/api/v1/orders/{}", id(&order["order_id"]));
        assert_eq!(stage.buyer.get(&path).await.data()["status"], status);
    }
    assert_eq!(stage.stock().await, [(8, 2, 0), (8, 2, 0)]);
    assert_consistent(&stage.world.market.database).await;
}

/// Two instances look at once, while buyers cancel: each order ends once.
#[tokio::test]
async fn each_order_ends_once_whoever_comes_first() {
    let settings = [("SPLITCART_ORDERS_DECIDE_WITHIN", "2s")];
    let stage = Stage::with_settings(&[500], &settings).await;
    let world = &stage.world;
    let _second = Server::start(&world.market.database.url, &world.redis.url, &settings).await;
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(stage.buy(&[1]).await);
    }

    let waiting = "select count(*) from vendor_orders where status = 'created_pending'";
    let mut canceled = 0;
    let mut rest = orders.iter();
    wait::until("no order waits for a decision", async || {
        // One after the other, so that some are canceled at the moment at which they expire.
        if let Some(order) = rest.next_back() {
            canceled += usize::from(cancel(&stage.buyer, order).await.status == 200);
        }
        world.market.database.count(waiting).await == 0
    })
    .await;

    let ends = "select count(*) from outbox_events
                where event_type in ('order_canceled', 'order_expired')";
    assert_eq!(world.market.database.count(ends).await, 10);
    assert_eq!(stage.stock().await, [(10, 0, 0)]);
    assert!(canceled <= 10);
    assert_consistent(&world.market.database).await;
}

/// An order whose stock somebody else holds is tried again later, and holds up no other.
#[tokio::test]
async fn an_order_that_cannot_be_expired_holds_up_no_other() {
    let stage = Stage::with_products(&[500, 700]).await;
    let held = stage.buy(&[1, 0]).await;
    let free = stage.buy(&[0, 1]).await;
    let foreign = stage.world.market.hold_stock(stage.products[0]).await;
    age(&stage.world, 11).await;

    until_status(&stage, &free, "expired").await;
    let path = format!("/api/v1/orders/{}", id(&held["order_id"]));
    assert_eq!(
        stage.buyer.get(&path).await.data()["status"],
        "created_pending"
    );
    drop(foreign);
    until_status(&stage, &held, "expired").await;

    assert_eq!(stage.stock().await, [(10, 0, 0), (10, 0, 0)]);
    assert_consistent(&stage.world.market.database).await;
}
