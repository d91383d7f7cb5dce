//! The trace of a request goes on with the events that it causes.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Buyer, Client, Market, Shopper, World, client::fresh_key, market::cart_of};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The traces of the events of this type, in their order.
async fn traces(market: &Market, event_type: &str) -> Vec<Option<String>> {
    sqlx::query_scalar("select traceparent from outbox_events where event_type = $1 order by id")
        .bind(event_type)
        .fetch_all(&market.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_events_of_checkouts_moves_and_counts_carry_the_trace_of_their_request() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let worker = Buyer {
        user_id: Uuid::now_v7(),
        store_id: product.vendor.store_id,
    };
    let vendor = world.client(&world.market.colleague(&worker, "ops").await);
    let send = async |request: RequestBuilder| {
        Client::send(request.header("traceparent", TRACE))
            .await
            .data()
    };
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;

    let bought = send(shopper.request()).await;
    let order = bought["vendor_orders"][0]["order_id"].as_str().unwrap();
    let decision = vendor
        .request(Method::POST, &format!("/api/v1/orders/{order}/decision"))
        .header("Idempotency-Key", fresh_key())
        .json(&json!({ "decision": "accept" }));
    send(decision).await;
    let count = vendor
        .request(Method::PUT, "/api/v1/inventory")
        .header("Idempotency-Key", fresh_key())
        .json(&json!({ "items": [{ "product_id": product.id, "available_qty": 0 }] }));
    send(count).await;

    for event_type in ["order_created", "order_decided", "inventory_low"] {
        let traces = traces(&world.market, event_type).await;
        assert_eq!(traces, [Some(TRACE.to_owned())], "{event_type}");
    }
}

#[tokio::test]
async fn a_malformed_or_repeated_traceparent_is_ignored() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let upper = TRACE.to_uppercase();
    for headers in [
        vec![],
        vec!["no trace"],
        vec![upper.as_str()],
        vec![TRACE, TRACE],
    ] {
        let cart = cart_of(&[(product, 1)]);
        let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
        let request = headers.iter().fold(shopper.request(), |request, header| {
            request.header("traceparent", *header)
        });
        assert_eq!(Client::send(request).await.status, 201);
    }

    assert_eq!(traces(&world.market, "order_created").await, vec![None; 4]);
}
