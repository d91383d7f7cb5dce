//! A vendor hands over what it has accepted.

use serde_json::json;

use crate::support::assert_consistent;

use super::{Stage, accept, cancel, conflict, decide, fulfil, line_statuses};

#[tokio::test]
async fn what_was_accepted_is_gone_from_the_stock() {
    let stage = Stage::with_products(&[500, 700]).await;
    let order = stage.buy(&[2, 3]).await;
    let body = json!({ "lines": [
        { "line_item_id": order["items"][0]["line_item_id"], "decision": "accept" },
        { "line_item_id": order["items"][1]["line_item_id"], "decision": "reject" },
    ] });
    let decided = decide(&stage.vendor, &order, &body).await.data();

    let fulfilled = fulfil(&stage.vendor, &order).await.data();

    assert_eq!(decided["status"], "partially_accepted");
    assert_eq!(fulfilled["status"], "fulfilled");
    assert_eq!(line_statuses(&fulfilled), ["fulfilled", "rejected"]);
    assert_eq!(fulfilled["total"], "10.00");
    assert_eq!(fulfilled["payment_intent"]["amount"], "10.00");
    assert_eq!(stage.stock().await, [(8, 0, 2), (10, 0, 0)]);
    assert_consistent(&stage.world.market.database).await;
}

#[tokio::test]
async fn only_an_accepted_order_is_fulfilled_and_only_once() {
    let stage = Stage::with_products(&[500]).await;
    let order = stage.buy(&[2]).await;

    let too_early = fulfil(&stage.vendor, &order).await;
    accept(&stage.vendor, &order).await.data();
    fulfil(&stage.vendor, &order).await.data();
    let again = fulfil(&stage.vendor, &order).await;
    let too_late = cancel(&stage.buyer, &order).await;

    let details = conflict(&too_early);
    assert_eq!(details["status"], "created_pending");
    assert_eq!(
        details["allowed"],
        json!(["accepted", "partially_accepted"])
    );
    assert_eq!(conflict(&again)["status"], "fulfilled");
    assert_eq!(conflict(&too_late)["status"], "fulfilled");
    assert_eq!(stage.stock().await, [(8, 0, 2)]);
    assert_consistent(&stage.world.market.database).await;
}
