//! Requests that move nothing: wrong callers, wrong shapes, wrong ids.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::market::cart_of;

use super::{Stage, accept, cancel, check_out, decide, fulfil, id, path, post, worker};

#[tokio::test]
async fn an_order_is_moved_by_its_own_sides_only() {
    let stage = Stage::with_products(&[500]).await;
    let order = stage.buy(&[2]).await;
    let world = &stage.world;
    let strangers = [
        world.client(&world.market.buyer().await),
        worker(world, world.market.vendor().await, "owner").await,
    ];
    let viewer = worker(world, stage.shop, "viewer").await;
    let before = world.market.database.contents().await;

    for stranger in &strangers {
        for reply in [
            accept(stranger, &order).await,
            fulfil(stranger, &order).await,
            cancel(stranger, &order).await,
        ] {
            assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
        }
        let group = format!(
            "/api/v1/checkout-groups/{}/cancellation",
            id(&order["checkout_group_id"])
        );
        assert_eq!(post(stranger, &group, &json!({})).await.status, 404);
    }
    for (what, reply) in [
        ("a buyer decides", accept(&stage.buyer, &order).await),
        ("a buyer fulfils", fulfil(&stage.buyer, &order).await),
        ("a vendor cancels", cancel(&stage.vendor, &order).await),
        ("a viewer decides", accept(&viewer, &order).await),
    ] {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "FORBIDDEN"),
            "{what}"
        );
    }
    assert_eq!(world.market.database.contents().await, before);
}

/// What is sold is to be handled.
#[tokio::test]
async fn a_lapsed_licence_keeps_nobody_from_handling_what_was_sold() {
    let stage = Stage::with_products(&[500]).await;
    let (first, second) = (stage.buy(&[2]).await, stage.buy(&[1]).await);
    let market = &stage.world.market;
    market.lapse_licence(stage.shop.store_id).await;
    let buyer = id(&first["buyer_store_id"]).parse::<Uuid>().unwrap();
    market.lapse_licence(buyer).await;
    market
        .database
        .run("update subscriptions set status = 'canceled'")
        .await;

    assert_eq!(accept(&stage.vendor, &first).await.status, 200);
    assert_eq!(fulfil(&stage.vendor, &first).await.status, 200);
    assert_eq!(cancel(&stage.buyer, &second).await.status, 200);
}

#[tokio::test]
async fn wrong_shapes_are_400_and_change_nothing() {
    let stage = Stage::with_products(&[500]).await;
    let order = stage.buy(&[2]).await;
    let line = order["items"][0]["line_item_id"].clone();
    let before = stage.world.market.database.contents().await;
    let accepts = json!({ "line_item_id": line, "decision": "accept" });
    let many: Vec<_> = (0..201)
        .map(|_| json!({ "line_item_id": Uuid::now_v7(), "decision": "accept" }))
        .collect();

    for (body, paths) in [
        (json!({}), vec![""]),
        (json!([]), vec![""]),
        (json!({ "decision": "perhaps" }), vec!["/decision"]),
        (
            json!({ "decision": "accept", "note": "Fine." }),
            vec!["/note"],
        ),
        (json!({ "decision": "reject", "note": "" }), vec!["/note"]),
        (
            json!({ "decision": "reject", "note": "a\u{7f}" }),
            vec!["/note"],
        ),
        (
            json!({ "decision": "reject", "note": "a\u{85}" }),
            vec!["/note"],
        ),
        (
            json!({ "decision": "reject", "note": "a".repeat(501) }),
            vec!["/note"],
        ),
        (
            json!({ "decision": "accept", "lines": [accepts] }),
            vec![""],
        ),
        (
            json!({ "lines": [accepts], "note": "Fine." }),
            vec!["/note"],
        ),
        (json!({ "lines": [] }), vec!["/lines"]),
        (json!({ "lines": many }), vec!["/lines"]),
        (
            json!({ "lines": [accepts, accepts] }),
            vec!["/lines/1/line_item_id"],
        ),
        (
            json!({ "lines": [{ "line_item_id": line, "decision": "accept", "note": "x" }] }),
            vec!["/lines/0/note"],
        ),
        (
            json!({ "lines": [{ "line_item_id": "x", "decision": 1 }] }),
            vec!["/lines/0/line_item_id", "/lines/0/decision"],
        ),
        (json!({ "decision": "accept", "why": 1 }), vec!["/why"]),
    ] {
        let reply = decide(&stage.vendor, &order, &body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "VALIDATION_ERROR"),
            "{body}"
        );
        assert_eq!(reply.bad_fields(), paths, "{body}");
    }
    for body in [json!({ "x": 1 }), json!(null)] {
        let reply = post(&stage.vendor, &path(&order, "fulfillment"), &body).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    for action in ["decision", "fulfillment", "cancellation"] {
        let reply = post(
            &stage.vendor,
            &format!("/api/v1/orders/7/{action}"),
            &json!({}),
        )
        .await;
        assert_eq!(
            (reply.status, reply.bad_fields()),
            (400, vec!["id".to_owned()])
        );
    }
    assert_eq!(stage.world.market.database.contents().await, before);
}

/// A cart that costs nothing has no payment intent, and gets none.
#[tokio::test]
async fn an_order_for_nothing_goes_through_its_life_without_an_intent() {
    let stage = Stage::with_products(&[0, 500]).await;
    let free = check_out(&stage.buyer, &cart_of(&[(stage.products[0], 3)])).await;
    let order = free["vendor_orders"][0].clone();
    assert_eq!(order["payment_intent"], Value::Null);

    let accepted = accept(&stage.vendor, &order).await.data();
    let fulfilled = fulfil(&stage.vendor, &order).await.data();

    assert_eq!(accepted["payment_intent"], Value::Null);
    assert_eq!(fulfilled["status"], "fulfilled");
    assert_eq!(stage.stock().await[0], (7, 0, 3));
}
