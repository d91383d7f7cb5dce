//! Load tests with work beside the load: a vendor who counts stock, late orders that expire.

use serde_json::json;

use super::{loadtest, measure, run, seeded};

#[tokio::test]
async fn a_vendor_counts_its_stock_beside_checkouts_of_others() {
    let world = seeded(&[]).await;

    let options = "--rate 20 --duration 2s --warmup 0 --stock-rows-per-s max --stock-products-k 1";
    let report = measure(&world, options).await;

    let counts = &report["stock_counts"];
    assert!(
        counts["rows_per_second"].as_f64().unwrap() > 0.0,
        "{counts}"
    );
    assert_eq!(counts["rows"]["refused"], 0);
    let requests = counts["latency"]["count"].as_i64().unwrap();
    let database = &world.market.database;
    let changes = "select sum(version)::bigint from inventory_items";
    assert_eq!(database.count(changes).await, counts["rows"]["changed"]);
    assert!(database.count(changes).await >= 1_000 * requests);
    let counted = "select count(*) from inventory_items where version > 0";
    assert_eq!(database.count(counted).await, 1_000);
    let bought = "select count(*) from order_line_items l
         join inventory_items i on i.product_id = l.product_id
         where i.version > 0";
    assert_eq!(database.count(bought).await, 0, "no cart has its products");

    // The vendor is there already, and gets more products.
    let options = "--rate 20 --duration 2s --warmup 0 --stock-rows-per-s 2000 --stock-products-k 2";
    let report = measure(&world, options).await;
    let rate = &report["stock_counts"]["rows_per_second"];
    assert!(
        (500.0..=3_000.0).contains(&rate.as_f64().unwrap()),
        "{rate}"
    );
    let counted = "select count(*) from inventory_items where version > 0";
    assert_eq!(database.count(counted).await, 2_000);
}

#[tokio::test]
async fn late_orders_expire_while_checkouts_are_measured() {
    let world = seeded(&[]).await;

    let options = "--rate 20 --duration 15s --warmup 0 --late-orders 150";
    let report = measure(&world, options).await;

    let late = &report["late_orders"];
    assert_eq!(late["orders"], 150);
    assert_eq!(late["left_at_end"], 0, "{late}");
    let seconds = late["seconds_until_none_left"].as_f64().unwrap();
    assert!(seconds < 15.0, "{late}");
    for rate in [
        "goodput_per_second_meanwhile",
        "goodput_per_second_afterwards",
    ] {
        let told = late[rate].as_f64().unwrap();
        assert!((10.0..=30.0).contains(&told), "{rate}: {late}");
    }
    let database = &world.market.database;
    let expired = "select count(*) from vendor_orders where status = 'expired'";
    assert_eq!(database.count(expired).await, 150);
    let released = "select sum(qty)::bigint from order_line_items
         where rejection_reason = 'order_expired'";
    assert_eq!(database.count(released).await, late["units_released"]);
    assert_eq!(report["bought"]["groups"], 300);

    // What the server has looked through already would expire much later.
    let (output, _) = run(loadtest(&world, "--count 20 --clients 2")).await;
    assert!(output.status.success(), "a later test is sound, too");
}

#[tokio::test]
async fn late_orders_need_a_server_that_expires_them() {
    let world = seeded(&[]).await;
    for (decide_within, told) in [
        ("off", "orders.decide_within is \"off\""),
        ("1h", "shorter than idempotency.checkout_days"),
    ] {
        let mut command = loadtest(&world, "--count 5 --late-orders 10");
        command.env("SPLITCART_ORDERS_DECIDE_WITHIN", decide_within);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(told),
            "{decide_within}: {stderr}"
        );
    }
    let orders = "select count(*) from vendor_orders";
    assert_eq!(json!(world.market.database.count(orders).await), 0);
}
