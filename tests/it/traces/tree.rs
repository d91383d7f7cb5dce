//! The spans of a checkout are one tree, and its batch is linked with it both ways.

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use reqwest::Method;

use crate::support::{
    Client, Shopper, World,
    collector::{Collector, attribute, hex},
    crowd::check_out_together,
    market::cart_of,
    wait,
};

use super::{CHECKOUT, TRACE, TRACE_ID, of_trace, shopper, world_with};

fn took(span: &Span) -> u64 {
    span.end_time_unix_nano - span.start_time_unix_nano
}

async fn traceparent_of_event(world: &World) -> String {
    sqlx::query_scalar("select traceparent from outbox_events")
        .fetch_one(&world.market.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_checkout_is_a_tree_of_spans_below_that_of_its_client() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    let request = shopper(&world).await.request();
    let request = request
        .header("traceparent", TRACE)
        .header("tracestate", "congo=t61rcWkgMzE");

    let reply = Client::send(request).await;

    assert_eq!(reply.status, 201, "{}", reply.text());
    let root = collector.until_named(CHECKOUT, 1).await.remove(0);
    assert_eq!(hex(&root.trace_id), TRACE_ID);
    assert_eq!(hex(&root.parent_span_id), "b7ad6b7169203331");
    assert_eq!(root.trace_state, "congo=t61rcWkgMzE");
    assert_eq!(root.kind(), SpanKind::Server);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/v1/checkout"),
        ("http.response.status_code", "201"),
        ("checkout.outcome", "created"),
        ("batch.size", "1"),
        ("http.request_id", reply.header("x-request-id")),
    ] {
        assert_eq!(attribute(&root.attributes, name), value, "{name}");
    }
    let tree = of_trace(&collector.spans(), &root.trace_id);
    for child in tree.iter().filter(|span| span.span_id != root.span_id) {
        let parent = tree.iter().find(|it| it.span_id == child.parent_span_id);
        let parent = parent.unwrap_or_else(|| panic!("{} has no parent", child.name));
        assert!(parent.start_time_unix_nano <= child.start_time_unix_nano);
        assert!(child.end_time_unix_nano <= parent.end_time_unix_nano);
        assert!(took(child) < took(&root));
    }
    let kinds = [
        ("ask for the key", SpanKind::Client, "redis"),
        ("wait in the queue", SpanKind::Internal, ""),
        ("begin", SpanKind::Client, "postgresql"),
        ("lock carts", SpanKind::Client, "postgresql"),
        ("decide", SpanKind::Internal, ""),
        ("write orders", SpanKind::Client, "postgresql"),
        ("turns", SpanKind::Internal, ""),
        ("reserve", SpanKind::Client, "postgresql"),
        ("commit", SpanKind::Client, "postgresql"),
    ];
    for (name, kind, system) in kinds {
        let span = tree.iter().find(|span| span.name == name);
        let span = span.unwrap_or_else(|| panic!("there is no span {name:?}"));
        assert_eq!(span.kind(), kind, "{name}");
        assert_eq!(
            attribute(&span.attributes, "db.system.name"),
            system,
            "{name}"
        );
    }
    let stages = root.attributes.iter();
    let stages = stages.filter(|it| it.key.starts_with("splitcart.stage."));
    let sum_ms: f64 = stages
        .map(|it| attribute(&root.attributes, &it.key).parse::<f64>().unwrap())
        .sum();
    let took_ms = took(&root) as f64 / 1e6;
    assert!(
        (sum_ms / took_ms - 1.0).abs() < 0.01,
        "{sum_ms} of {took_ms}"
    );
}

/// Whoever handles the event finds the request that has caused it.
#[tokio::test]
async fn the_event_of_a_kept_trace_and_its_log_line_lead_to_its_span() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    let shopper = shopper(&world).await;
    let request = || shopper.request().header("traceparent", TRACE);

    let first = Client::send(request()).await;
    let again = Client::send(request()).await;

    assert_eq!((first.status, again.is_replay()), (201, true));
    let roots = collector.until_named(CHECKOUT, 2).await;
    let of_first = roots
        .iter()
        .find(|it| attribute(&it.attributes, "checkout.outcome") == "created")
        .unwrap();
    let expected = format!("00-{TRACE_ID}-{}-01", hex(&of_first.span_id));
    assert_eq!(traceparent_of_event(&world).await, expected);
    let id = first.header("x-request-id");
    wait::until("its line names the trace", async || {
        let log = world.server.log();
        let mut lines = log.iter().filter(|line| line.contains(id));
        lines.any(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["trace.id"] == TRACE_ID && line["trace.kept"] == true
        })
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_a_span_of_its_own_that_is_linked_with_its_members() {
    let collector = Collector::start().await;
    let all = [
        ("SPLITCART_TELEMETRY_TRACE_RATIO", "1"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ];
    let world = world_with(&collector, &all).await;
    let product = world.market.sold_product(500, 1_000).await;
    let carts = vec![cart_of(&[(product, 1)]); 24];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

    let replies = check_out_together(&shoppers).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    let roots = collector.until_named(CHECKOUT, carts.len()).await;
    let spans = collector.spans();
    let batches: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "batch of checkouts")
        .collect();
    for root in &roots {
        let tree = of_trace(&spans, &root.trace_id);
        let member = tree.iter().find(|span| span.name == "batch").unwrap();
        let to = &member.links[0];
        let batch = batches
            .iter()
            .find(|it| it.trace_id == to.trace_id && it.span_id == to.span_id)
            .unwrap();
        let mut back = batch.links.iter();
        assert!(back.any(|it| it.trace_id == root.trace_id && it.span_id == root.span_id));
        let size = attribute(&batch.attributes, "batch.size");
        assert_eq!(size, batch.links.len().to_string());
        assert_eq!(size, attribute(&root.attributes, "batch.size"));
    }
    let largest = batches.iter().map(|batch| batch.links.len()).max();
    assert!(largest > Some(1), "checkouts have shared no batch");
}

/// The time that a checkout has lost before the attempt that decided it is in its tree.
#[tokio::test]
async fn a_failed_attempt_is_in_the_tree_with_its_reason() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    let shopper = shopper(&world).await;
    let mut lock = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from inventory_items for update")
        .execute(&mut *lock)
        .await
        .unwrap();
    let request = shopper.request().header("traceparent", TRACE);
    let checkout = tokio::spawn(Client::send(request));
    wait::until("the checkout waits aside", async || {
        let metric = "splitcart_coordinator_set_aside ";
        world.server.metric(metric).await == 1.0
    })
    .await;
    lock.rollback().await.unwrap();
    assert_eq!(checkout.await.unwrap().status, 201);

    let root = collector.until_named(CHECKOUT, 1).await.remove(0);
    let tree = of_trace(&collector.spans(), &root.trace_id);

    let mut attempts: Vec<_> = tree.iter().filter(|span| span.name == "batch").collect();
    attempts.sort_by_key(|span| span.start_time_unix_nano);
    let [failed, .., last] = &attempts[..] else {
        panic!("{} attempts", attempts.len())
    };
    assert_eq!(attribute(&failed.attributes, "error.type"), "busy");
    assert_eq!(failed.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(attribute(&last.attributes, "error.type"), "");
    let number = attempts.len().to_string();
    assert_eq!(attribute(&last.attributes, "batch.attempt"), number);
    assert!(
        tree.iter()
            .any(|span| span.name == "wait to be tried again")
    );
}

#[tokio::test]
async fn any_request_is_a_span() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    let client = world.client(&world.market.buyer().await);
    let path = "/api/v1/cart?token=hidden";
    let request = client.request(Method::GET, path);

    assert_eq!(
        Client::send(request.header("traceparent", TRACE))
            .await
            .status,
        404
    );

    let span = collector.until_named("GET /api/v1/cart", 1).await.remove(0);
    assert_eq!(
        attribute(&span.attributes, "http.response.status_code"),
        "404"
    );
    assert!(!format!("{span:?}").contains("hidden"));
    // The client's mistakes are no errors of the service.
    assert!(
        span.status
            .is_none_or(|status| status.code() == StatusCode::Unset)
    );
}
