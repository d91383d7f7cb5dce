//! Which requests are kept.

use crate::support::{
    Client, World,
    client::fresh_key,
    collector::{Collector, attribute, hex},
    market::cart_of,
};

use super::{CHECKOUT, TRACE, TRACE_ID, shopper, world_with};

/// None of the traces that begin in the service, and no time is too long.
const NONE: [(&str, &str); 2] = [
    ("SPLITCART_TELEMETRY_TRACE_RATIO", "0"),
    ("SPLITCART_TELEMETRY_TRACE_SLOWER_THAN_MS", "0"),
];

async fn check_out(world: &World, traceparent: Option<&str>) {
    let request = shopper(world).await.request();
    let request = match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent),
        None => request,
    };
    assert_eq!(Client::send(request).await.status, 201);
}

async fn traceparents(world: &World) -> Vec<Option<String>> {
    sqlx::query_scalar("select traceparent from outbox_events order by id")
        .fetch_all(&world.market.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_clients_decision_is_followed_and_without_one_the_ratio() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &NONE).await;
    let not_kept = TRACE.replace("-01", "-00").replace("0af7", "0000");

    check_out(&world, None).await;
    check_out(&world, Some(&not_kept)).await;
    check_out(&world, Some(TRACE)).await;

    let kept = collector.until_named(CHECKOUT, 1).await;
    assert_eq!(hex(&kept[0].trace_id), TRACE_ID);
    let of_others = |it: &&opentelemetry_proto::tonic::trace::v1::Span| {
        it.kind == 2 && hex(&it.trace_id) != TRACE_ID
    };
    assert_eq!(collector.spans().iter().filter(of_others).count(), 0);
    // Nobody is led to a span that is not there.
    let events = traceparents(&world).await;
    assert_eq!(events[..2], [None, Some(not_kept)]);
}

#[tokio::test]
async fn a_request_that_fails_is_always_kept() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &NONE).await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 1)])).await;
    world
        .market
        .database
        .run("alter table payment_intents rename to gone")
        .await;

    let reply = client.check_out(&fresh_key(), cart_id).await;

    assert_eq!(reply.status, 500);
    let span = collector.until_named(CHECKOUT, 1).await.remove(0);
    assert_eq!(attribute(&span.attributes, "error.type"), "500");
    assert_eq!(attribute(&span.attributes, "checkout.outcome"), "failed");
    assert_eq!(
        collector.until_named("batch", 1).await.len(),
        collector.until_named("batch of checkouts", 1).await.len()
    );
}

#[tokio::test]
async fn a_request_that_is_slow_is_always_kept() {
    let collector = Collector::start().await;
    let mut settings = NONE;
    settings[1].1 = "1";
    let world = world_with(&collector, &settings).await;

    check_out(&world, None).await;

    // A checkout takes more than a millisecond.
    let span = collector.until_named(CHECKOUT, 1).await.remove(0);
    assert!(span.parent_span_id.is_empty());
    assert_eq!(attribute(&span.attributes, "checkout.outcome"), "created");
}

#[tokio::test]
async fn the_standard_sampler_wins_over_the_setting() {
    let collector = Collector::start().await;
    let mut settings = NONE.to_vec();
    settings.push(("OTEL_TRACES_SAMPLER", "always_on"));
    let world = world_with(&collector, &settings).await;

    check_out(&world, None).await;

    collector.until_named(CHECKOUT, 1).await;
}
