//! The private listener and the log.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Client, World,
    client::fresh_key,
    market::cart_of,
    server::{SECRET, token_for},
    wait,
};

#[tokio::test]
async fn a_service_is_alive_and_ready() {
    let world = World::start().await;

    let (status, body) = world.server.operations("/livez").await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = world.server.operations("/readyz").await;

    assert_eq!(status, 200, "{body}");
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(state["status"], "ready");
    assert_eq!(state["postgresql"], "ready");
    assert_eq!(state["redis"], "ready");
}

/// Redis is reported but not required, whether it is gone or hangs.
#[tokio::test]
async fn without_redis_a_service_is_still_ready() {
    let mut world = World::start().await;
    world.redis.freeze();
    let hanging = world.server.operations("/readyz").await;
    world.redis.thaw();
    world.redis.kill().await;

    let gone = world.server.operations("/readyz").await;

    for (status, body) in [hanging, gone] {
        let state: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &state["postgresql"]),
            (200, &json!("ready")),
            "{body}"
        );
        assert_eq!(state["redis"], "unreachable");
    }
    assert_eq!(world.server.operations("/livez").await.0, 200);
}

/// A database that lacks a migration is not ready.
#[tokio::test]
async fn a_service_on_an_older_schema_is_not_ready() {
    let world = World::start().await;
    world
        .market
        .database
        .run("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .await;

    let (status, body) = world.server.operations("/readyz").await;

    assert_eq!(status, 503, "{body}");
}

#[tokio::test]
async fn operations_are_private_and_the_api_is_public() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    for path in ["/livez", "/readyz", "/metrics", "/ops", "/ops/", "/healthz"] {
        let reply = client.get(path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (404, "NOT_FOUND"),
            "{path}"
        );
    }
    for path in [
        "/api/v1/cart",
        "/api/v1/checkout",
        "/api/v1/checkout-groups/x",
    ] {
        assert_eq!(world.server.operations(path).await.0, 404, "{path}");
    }
    assert_ne!(world.server.http, world.server.ops);
}

/// A world in which each counted event has happened once.
async fn busy_world() -> (World, Vec<Uuid>) {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let plenty = world.market.sold_product(500, 90).await;
    let short = world.market.sold_product(500, 90).await;
    let cart_id = client.freeze(&cart_of(&[(plenty, 2), (short, 2)])).await;
    world.market.stock(short, 1).await;
    let key = fresh_key();
    client.check_out(&key, cart_id).await.data();
    assert!(client.check_out(&key, cart_id).await.is_replay());
    world.redis.empty().await;
    assert!(client.check_out(&key, cart_id).await.is_replay());
    let refused = client.check_out(&fresh_key(), cart_id).await;
    assert_eq!(refused.code(), "CART_ALREADY_CONVERTED");
    wait::until("the event is published", async || {
        world
            .server
            .metric("splitcart_outbox_published_total")
            .await
            > 0.0
    })
    .await;
    (world, vec![plenty.vendor.store_id, short.vendor.store_id])
}

/// The families of the operations page, each with its type.
#[tokio::test]
async fn every_queue_batch_and_outcome_has_a_metric() {
    let (world, _) = busy_world().await;
    let (status, text) = world.server.operations("/metrics").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"));
    for (family, kind) in [
        ("coordinator_mailbox_depth", "gauge"),
        ("coordinator_mailbox_wait_seconds", "histogram"),
        ("coordinator_rejected", "counter"),
        ("vendor_mailbox_depth", "gauge"),
        ("vendor_mailbox_wait_seconds", "histogram"),
        ("vendor_rejected", "counter"),
        ("vendor_actors", "gauge"),
        ("batch_size", "histogram"),
        ("batch_duration_seconds", "histogram"),
        ("reservations", "counter"),
        ("checkouts", "counter"),
        ("replays", "counter"),
        ("pool_connections", "gauge"),
        ("outbox_waiting", "gauge"),
        ("outbox_oldest_seconds", "gauge"),
        ("http_requests", "counter"),
        ("http_request_duration_seconds", "histogram"),
    ] {
        let declared = format!("# TYPE splitcart_{family} {kind}\n");
        assert!(text.contains(&declared), "{declared} in\n{text}");
        assert!(
            text.contains(&format!("# HELP splitcart_{family} ")),
            "{family}"
        );
    }
}

#[tokio::test]
async fn what_happened_is_counted() {
    let (world, vendors) = busy_world().await;
    let (_, text) = world.server.operations("/metrics").await;
    for (start, expected) in [
        ("splitcart_coordinator_mailbox_depth ", 0.0),
        ("splitcart_vendor_mailbox_depth ", 0.0),
        ("splitcart_vendor_actors ", 2.0),
        ("splitcart_vendor_rejected_total ", 0.0),
        ("splitcart_coordinator_mailbox_wait_seconds_count ", 3.0),
        ("splitcart_batch_size_sum ", 3.0),
        ("splitcart_replays_total{source=\"redis\"} ", 1.0),
        ("splitcart_replays_total{source=\"postgresql\"} ", 1.0),
        ("splitcart_outbox_waiting ", 0.0),
        ("splitcart_outbox_oldest_seconds ", 0.0),
        ("splitcart_outbox_published_total{sink=\"stream\"} ", 1.0),
        (
            "splitcart_http_requests_total{method=\"POST\",route=\"/api/v1/checkout\",status=\"409\"} ",
            1.0,
        ),
        (
            "splitcart_http_requests_total{method=\"POST\",route=\"/api/v1/checkout\",status=\"201\"} ",
            3.0,
        ),
        (
            "splitcart_http_requests_total{method=\"PUT\",route=\"/api/v1/cart\",status=\"200\"} ",
            1.0,
        ),
    ] {
        let found = text.lines().find_map(|line| line.strip_prefix(start));
        assert_eq!(found.map(str::parse), Some(Ok(expected)), "{start}\n{text}");
    }
    // One line was reserved, one refused; one checkout was made.
    for family in ["reservations", "checkouts"] {
        let start = format!("splitcart_{family}_total{{outcome=\"");
        let outcomes = text.lines().filter(|line| line.starts_with(&start));
        assert!(outcomes.count() >= 2, "{family}\n{text}");
    }
    for pool in ["http", "background"] {
        for state in ["used", "idle"] {
            let line = format!("splitcart_pool_connections{{pool=\"{pool}\",state=\"{state}\"}} ");
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
    // Vendors are named beside their depth only.
    let deepest = "splitcart_vendor_mailbox_depth_deepest{";
    for vendor in vendors {
        let lines = text
            .lines()
            .filter(|line| line.contains(&vendor.to_string()));
        assert!(
            lines.clone().all(|line| line.starts_with(deepest)),
            "{text}"
        );
    }
    assert!(
        text.lines()
            .filter(|line| line.starts_with(deepest))
            .count()
            <= 10
    );
}

/// Refusals and replays are 0 before the first one, so that a rate sees the first one.
#[tokio::test]
async fn what_has_not_happened_is_counted_as_zero() {
    let world = World::start().await;
    let (_, text) = world.server.operations("/metrics").await;
    for (family, members) in [
        ("splitcart_coordinator_rejected_total{reason=", 5),
        ("splitcart_replays_total{source=", 2),
    ] {
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with(family))
            .collect();
        assert_eq!(lines.len(), members, "{text}");
        assert!(lines.iter().all(|line| line.ends_with(" 0")), "{lines:?}");
    }
}

/// A vendor whose reservation is waiting is named beside its mailbox's depth; idle ones are not.
#[tokio::test]
async fn the_deepest_mailboxes_are_named() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let mut lock = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from inventory_items for update")
        .execute(&mut *lock)
        .await
        .unwrap();
    let key = fresh_key();
    let checkout = tokio::spawn({
        let (client, key) = (client.clone(), key.clone());
        async move { client.check_out(&key, cart_id).await }
    });
    let named = format!(
        "splitcart_vendor_mailbox_depth_deepest{{vendor_store_id=\"{}\"}}",
        product.vendor.store_id
    );
    wait::until("the vendor is named", async || {
        world.server.metric(&named).await == 1.0
    })
    .await;
    let waiting = world.server.metric("splitcart_vendor_mailbox_depth ").await;

    lock.rollback().await.unwrap();

    assert_eq!(waiting, 1.0);
    assert_eq!(checkout.await.unwrap().status, 201);
    let (_, text) = world.server.operations("/metrics").await;
    assert!(!text.contains(&named), "{text}");
}

/// No label has values that a client chooses.
#[tokio::test]
async fn made_up_routes_and_methods_make_no_new_series() {
    let world = World::start().await;
    let client = world.server.stranger();
    for nr in 0..20 {
        client.get(&format!("/api/v1/{nr}")).await;
        client.get(&format!("/api/v1/checkout-groups/{nr}")).await;
        let method = reqwest::Method::from_bytes(format!("BREW{nr}").as_bytes()).unwrap();
        Client::send(client.request(method, "/api/v1/cart")).await;
    }

    let (_, text) = world.server.operations("/metrics").await;

    let series = text
        .lines()
        .filter(|line| line.starts_with("splitcart_http_requests_total"));
    assert_eq!(series.count(), 3, "{text}");
}

/// One canonical line per request, with its id, route and status.
#[tokio::test]
async fn every_request_has_one_line_in_the_log() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let put = client.put_cart_request(&fresh_key(), &cart);
    let put = Client::send(put.header("X-Request-Id", "the-put")).await;
    let group = client
        .get(&format!("/api/v1/checkout-groups/{}", Uuid::now_v7()))
        .await;
    let nobody = world.server.stranger().get_cart().await;
    let nowhere = client.get("/nowhere?token=secret-in-the-query").await;

    for (reply, method, route, code) in [
        (&put, "PUT", "/api/v1/cart", None),
        (
            &group,
            "GET",
            "/api/v1/checkout-groups/{id}",
            Some("NOT_FOUND"),
        ),
        (&nobody, "GET", "/api/v1/cart", Some("UNAUTHORIZED")),
        (&nowhere, "GET", "unknown", Some("NOT_FOUND")),
    ] {
        let id = reply.header("x-request-id");
        wait::until("the line is written", async || {
            !lines_of(&world, id).is_empty()
        })
        .await;
        let lines = lines_of(&world, id);
        let [line] = &lines[..] else {
            panic!("{id} has {} lines", lines.len())
        };
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["http.method"], method);
        assert_eq!(line["http.route"], route);
        assert_eq!(line["http.status"], reply.status);
        assert!(line["http.duration_ms"].as_f64().unwrap() > 0.0);
        assert_eq!(line["error.code"].as_str(), code);
    }
    let line = &lines_of(&world, "the-put")[0];
    assert_eq!(line["user.id"], json!(buyer.user_id));
    assert_eq!(line["store.id"], json!(buyer.store_id));
}

fn lines_of(world: &World, request_id: &str) -> Vec<Value> {
    let lines = world.server.log().into_iter();
    lines
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .filter(|line| line["http.request_id"] == request_id)
        .collect()
}

/// No secrets, tokens, keys, bodies or addresses, neither of good requests nor of bad ones.
#[tokio::test]
async fn the_log_keeps_secrets() {
    let world = World::with_settings(&[("SPLITCART_LOG_FILTER", "debug")]).await;
    let buyer = world.market.buyer().await;
    let token = token_for(&buyer);
    let client = world.server.stranger().with_token(Some(&token));
    let product = world.market.sold_product(500, 9).await;
    let mut cart = cart_of(&[(product, 1)]);
    cart["shipping_address"] = json!({
        "line1": "77 Hidden Lane", "city": "Tulsa", "state": "OK", "postal_code": "74103",
        "country": "US",
    });
    let cart_id = client.freeze(&cart).await;
    client.check_out(&fresh_key(), cart_id).await.data();
    cart["items"][0]["qty"] = json!("77 Hidden Lane");
    client.put_cart(&fresh_key(), &cart).await;
    let bad = format!("{token}x");
    client.with_token(Some(&bad)).get_cart().await;
    client
        .get(&format!("/api/v1/cart?access_token={token}"))
        .await;
    let last = client.get("/last").await;
    let id = last.header("x-request-id");
    wait::until("the last line is written", async || {
        !lines_of(&world, id).is_empty()
    })
    .await;

    let log = world.server.log().join("\n");
    assert!(log.contains("DEBUG"), "the filter has no effect");

    let signature = token.rsplit('.').next().unwrap();
    for secret in [
        SECRET,
        token.as_str(),
        signature,
        "Hidden Lane",
        "@example.com",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn every_page_of_the_private_listener_answers_head_and_names_its_methods() {
    let world = World::start().await;
    let http = reqwest::Client::new();
    let ask = async |method: Method, page: &str| {
        let url = format!("{}{page}", world.server.ops);
        let reply = http.request(method, url).send().await.unwrap();
        let allow = reply.headers().get("allow");
        let allow = allow.map(|value| value.to_str().unwrap().to_owned());
        let status = reply.status().as_u16();
        (status, allow, reply.text().await.unwrap())
    };
    for page in ["/livez", "/readyz", "/metrics"] {
        let (status, _, body) = ask(Method::HEAD, page).await;
        assert_eq!((status, body.as_str()), (200, ""), "{page}");
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let (status, allow, body) = ask(method, page).await;
            assert_eq!(
                (status, allow.as_deref()),
                (405, Some("GET, HEAD")),
                "{page}"
            );
            assert!(body.contains("METHOD_NOT_ALLOWED"), "{body}");
        }
    }
    for method in [Method::GET, Method::POST] {
        let (status, _, body) = ask(method, "/nope").await;
        assert_eq!(status, 404);
        assert!(body.contains("NOT_FOUND"), "{body}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let world = World::start().await;
    let ask = async |accept: Option<&str>| {
        let http = reqwest::Client::new();
        let mut request = http.get(format!("{}/metrics", world.server.ops));
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let reply = request.send().await.unwrap();
        let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, reply.text().await.unwrap())
    };
    for accept in [None, Some("*/*"), Some("text/plain;version=0.0.4")] {
        let (kind, text) = ask(accept).await;
        assert_eq!(
            kind, "text/plain; version=0.0.4; charset=utf-8",
            "{accept:?}"
        );
        // Each metric is described under the name of its samples.
        let described: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .filter(|family| described.contains(family));
            assert!(described.contains(family.unwrap_or(name)), "{line}");
        }
        assert!(
            !text.contains("# EOF") && !text.contains("# UNIT"),
            "{text}"
        );
    }
    let (kind, text) = ask(Some(
        "application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.1",
    ))
    .await;
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    assert!(text.ends_with("# EOF\n"));
}

/// However many clients ask, PostgreSQL and Redis are asked only now and then.
#[tokio::test]
async fn readiness_asks_its_dependencies_no_more_than_twice_a_second() {
    let world = World::start().await;
    let pings = async || {
        let mut connection = world.redis.connect().await.unwrap();
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut connection)
            .await
            .unwrap();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_ping:"));
        let calls = line.and_then(|line| line.split(['=', ',']).nth(1));
        calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    let before = pings().await;
    let started = std::time::Instant::now();
    for _ in 0..300 {
        assert_eq!(world.server.operations("/readyz").await.0, 200);
    }
    // Two a second, one of the console, and those of the outage watcher at the start.
    let allowed = 3 * (started.elapsed().as_secs() + 1) + 2;
    let asked = pings().await - before;
    assert!(asked <= allowed, "{asked} > {allowed}");
}
