//! The purchases that count for a limit, also those that come or go while a checkout is under way.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Client, Shopper, World, assert_consistent,
    client::fresh_key,
    market::cart_of,
    patience::{LONG_LOCKS, patient},
};

use super::{Limited, line, lines, over_limit, rejection};

/// Ends the lines that hold units without giving the units back, which no test here counts.
const CANCEL: &str = "update order_line_items
                      set status = 'rejected', rejection_reason = 'order_canceled'
                      where status <> 'rejected'";

const REVIVE: &str = "update order_line_items
                      set status = 'pending', rejection_reason = null
                      where rejection_reason = 'order_canceled'";

#[tokio::test]
async fn purchases_count_for_the_days_of_the_limit() {
    let limited = Limited::within_days(30, 6).await;
    let database = &limited.world.market.database;
    for (age, bought) in [("29 days 23 hours", 6), ("30 days", 0)] {
        let backdate = format!("update vendor_orders set created_at = now() - interval '{age}'");
        database.run(&backdate).await;

        let reply = limited.buy(10, "reject_line").await;

        let expected = if bought == 0 { "pending" } else { "rejected" };
        assert_eq!(lines(&reply), [line(10, expected)], "{age}");
    }
    limited.assert_reserved(16).await;
}

#[tokio::test]
async fn purchases_count_for_ever_without_days() {
    let limited = Limited::after_buying(6).await;
    let backdate = "update vendor_orders set created_at = now() - interval '20 years'";
    limited.world.market.database.run(backdate).await;

    let reply = limited.buy(5, "reject_line").await;

    assert_eq!(rejection(&reply, 0), over_limit(6));
}

#[tokio::test]
async fn lines_count_until_they_are_rejected() {
    let limited = Limited::after_buying(6).await;
    let database = &limited.world.market.database;
    for status in ["accepted", "hold", "fulfilled"] {
        let update =
            format!("update order_line_items set status = '{status}' where status <> 'rejected'");
        database.run(&update).await;
        let reply = limited.buy(5, "reject_line").await;
        assert_eq!(rejection(&reply, 0), over_limit(6), "{status}");
    }
    for reason in ["vendor_rejected", "order_canceled", "order_expired"] {
        let update = format!(
            "update order_line_items
             set status = 'rejected', rejection_reason = '{reason}'
             where status <> 'rejected'"
        );
        database.run(&update).await;
        let reply = limited.buy(10, "reject_line").await;
        assert_eq!(lines(&reply), [line(10, "pending")], "{reason}");
    }
}

#[tokio::test]
async fn a_canceled_order_gives_back_what_the_limit_had_of_it() {
    let limited = Limited::after_buying(6).await;
    let bought = limited.buy(4, "reject_line").await;
    let order = bought.data()["vendor_orders"][0]["order_id"].clone();
    let path = format!("/api/v1/orders/{}/cancellation", order.as_str().unwrap());
    let cancel = limited.client.request(Method::POST, &path);
    let cancel = cancel.header("Idempotency-Key", fresh_key());

    let canceled = Client::send(cancel.json(&json!({}))).await;

    assert_eq!(canceled.status, 200, "{}", canceled.text());
    let reply = limited.buy(5, "fill").await;
    assert_eq!(lines(&reply), [line(4, "pending"), line(1, "rejected")]);
    limited.assert_reserved(10).await;
}

#[tokio::test]
async fn purchases_from_before_the_limit_count_and_a_lowered_limit_is_no_finding() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let cart = cart_of(&[(product, 12)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    assert_eq!(shopper.check_out().await.status, 201);
    // The limit is as old as the product, and the purchase was before it.
    let database = &world.market.database;
    super::limit(&world.market, product, 10, None).await;
    database
        .run("update vendor_orders set created_at = now() - interval '2 hours'")
        .await;

    let cart_id = shopper.client.freeze(&cart_of(&[(product, 1)])).await;
    let reply = shopper.client.check_out(&fresh_key(), cart_id).await;

    assert_eq!(rejection(&reply, 0), over_limit(12));
    assert_consistent(database).await;
}

/// A cart of seven units was written as if nothing had been bought and waits for the stock; then six
/// units are bought.
#[tokio::test]
async fn units_that_are_bought_meanwhile_reject_the_line() {
    let limited = Limited::at(World::with_settings(&patient(&[LONG_LOCKS])).await, 6, None).await;
    let market = &limited.world.market;
    market.database.run(CANCEL).await;
    let cart_id = limited.freeze(7).await;
    let mut held = market.hold_stock(limited.product).await;

    let key = fresh_key();
    let client = limited.client.clone();
    let waiting = tokio::spawn(async move { client.check_out(&key, cart_id).await });
    market.until_a_checkout_waits_for_a_lock().await;
    sqlx::query(REVIVE).execute(&mut *held).await.unwrap();
    held.commit().await.unwrap();
    let reply = waiting.await.unwrap();

    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(rejection(&reply, 0), over_limit(6));
    let moved = "splitcart_batch_stock_moved_total";
    assert_eq!(limited.world.server.metric(moved).await, 1.0);
    assert_eq!(
        limited.world.server.metric("splitcart_batch_retries").await,
        0.0
    );
    limited.assert_reserved(6).await;
}

#[tokio::test]
async fn units_that_are_bought_meanwhile_cost_nothing_while_the_limit_leaves_enough() {
    let limited = Limited::at(World::with_settings(&patient(&[LONG_LOCKS])).await, 6, None).await;
    let market = &limited.world.market;
    market.database.run(CANCEL).await;
    let cart_id = limited.freeze(4).await;
    let mut held = market.hold_stock(limited.product).await;

    let body = json!({ "cart_id": cart_id });
    let request = limited.client.checkout_request(&fresh_key(), &body);
    let waiting = tokio::spawn(Client::send(request));
    market.until_a_checkout_waits_for_a_lock().await;
    sqlx::query(REVIVE).execute(&mut *held).await.unwrap();
    held.commit().await.unwrap();
    let reply = waiting.await.unwrap();

    assert_eq!(lines(&reply), [line(4, "pending")]);
    let moved = "splitcart_batch_stock_moved_total";
    assert_eq!(limited.world.server.metric(moved).await, 0.0);
    limited.assert_reserved(10).await;
}
