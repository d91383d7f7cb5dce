//! What the page is sent, and how: files, moments, the stream.

use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{World, client::fresh_key, market::cart_of, wait};

async fn get(world: &World, path: &str) -> Response {
    reqwest::get(format!("{}{path}", world.server.ops))
        .await
        .unwrap()
}

async fn snapshot(world: &World) -> Value {
    let (status, body) = world.server.operations("/ops/snapshot").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_page_and_its_files_are_served_under_a_strict_policy_and_only_once() {
    let world = World::start().await;
    for path in [
        "/ops",
        "/ops/assets/main.js",
        "/ops/assets/vendor/uplot.css",
    ] {
        let page = get(&world, path).await;
        assert_eq!(page.status(), 200, "{path}");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");

        let tag = page.headers()[header::ETAG].clone();
        let again = reqwest::Client::new()
            .get(format!("{}{path}", world.server.ops))
            .header(header::IF_NONE_MATCH, tag)
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    for path in [
        "/ops/assets/nothing.js",
        "/ops/assets/../main.js",
        "/ops/vendors/1",
    ] {
        assert_eq!(get(&world, path).await.status(), 404, "{path}");
    }
    let changed = reqwest::Client::new().post(format!("{}/ops", world.server.ops));
    assert_eq!(changed.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn a_moment_counts_checkouts_lines_stages_and_batches() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 3).await;
    let other = world.market.sold_product(700, 90).await;
    let cart_id = client.freeze(&cart_of(&[(product, 3), (other, 2)])).await;
    world.market.stock(product, 0).await;
    client.check_out(&fresh_key(), cart_id).await.data();

    let share = |moment: &Value, list: &str, name: &str| {
        let shares = moment["last_minute"][list].as_array().unwrap();
        let share = shares.iter().find(|it| it["name"] == name).unwrap();
        share["value"].as_f64().unwrap()
    };
    wait::until("the checkout is in the last minute", async || {
        share(&snapshot(&world).await, "checkouts", "created") > 0.9
    })
    .await;
    let moment = snapshot(&world).await;

    for (list, name) in [
        ("lines", "reserved"),
        ("lines", "insufficient_inventory"),
        ("batch_sizes", "1"),
        ("closed", "idle"),
    ] {
        let value = share(&moment, list, name);
        assert!((0.9..=1.1).contains(&value), "{list} {name}: {value}");
    }
    assert!(share(&moment, "stages", "commit") > 0.0);
    assert_eq!(moment["verdict"]["state"], "well");
    assert_eq!(moment["map"]["live"], 2);
    let slots = [
        &moment["hottest"][0]["place"],
        &moment["hottest"][1]["place"],
    ];
    assert!(
        slots.contains(&&json!(0)) || moment["hottest"] == json!([]),
        "{moment}"
    );
}

#[tokio::test]
async fn a_vendor_is_shown_with_its_outcomes_stock_and_orders_and_by_its_place() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 7).await;
    let cart_id = client.freeze(&cart_of(&[(product, 3)])).await;
    client.check_out(&fresh_key(), cart_id).await.data();
    wait::until("its actor has a place", async || {
        snapshot(&world).await["map"]["live"] == 1
    })
    .await;

    let vendor = product.vendor.store_id;
    for path in [
        format!("/ops/vendors/{vendor}"),
        "/ops/vendors/at-0".to_owned(),
    ] {
        let (status, body) = world.server.operations(&path).await;

        assert_eq!(status, 200, "{body}");
        let shown: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(shown["id"], json!(vendor));
        assert_eq!(
            shown["outcomes"],
            json!([{ "rejection_reason": null, "lines": 1 }])
        );
        let stock = &shown["products"][0];
        assert_eq!(
            (&stock["available_qty"], &stock["reserved_qty"]),
            (&json!(4), &json!(3))
        );
        assert_eq!(shown["orders"][0]["status"], "created_pending");
        assert_eq!(shown["orders"][0]["total"], "15.00");
        assert_eq!(shown["now"]["depth"], 0);
    }
}

/// Reads parts of a stream until the text holds what is wanted.
async fn read_until(stream: &mut Response, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let part = stream.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&part).unwrap());
    }
    text
}

#[tokio::test]
async fn a_stream_begins_with_the_history_and_there_are_only_so_many() {
    let world = World::start().await;
    drop(snapshot(&world).await);
    let mut streams = Vec::new();
    for _ in 0..32 {
        let stream = get(&world, "/ops/stream").await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    assert_eq!(get(&world, "/ops/stream").await.status(), 503);

    let text = read_until(&mut streams[0], "event: moment").await;

    assert!(
        text.starts_with("retry: 1000\nevent: history\ndata: {\"at_ms\":["),
        "{text}"
    );
    let history = text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let history: Value = serde_json::from_str(history).unwrap();
    let seconds = history["at_ms"].as_array().unwrap().len();
    assert_eq!(
        history["checkouts.created"].as_array().unwrap().len(),
        seconds
    );
    // A watcher that leaves makes room for another one.
    streams.pop();
    wait::until("a place is free", async || {
        get(&world, "/ops/stream").await.status() == 200
    })
    .await;
}
