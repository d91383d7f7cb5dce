//! Collectors that are dead, frozen or gone for a while cost nothing but their spans; where traces are off,
//! nothing is started.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::support::{
    Client, World,
    collector::{Collector, Takes, attribute},
    wait,
};

use super::{CHECKOUT, TRACE, shopper, world_with};

const QUEUE_FULL: &str = "splitcart_spans_dropped_total{reason=\"queue_full\"} ";
const NOT_TAKEN: &str = "splitcart_spans_dropped_total{reason=\"not_taken\"} ";
const EXPORTED: &str = "splitcart_spans_exported_total ";

/// Checks out once, in a trace that is kept, and returns the time of the answer.
async fn check_out(world: &World) -> Duration {
    let request = shopper(world).await.request();
    let began_at = Instant::now();
    let reply = Client::send(request.header("traceparent", TRACE)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    began_at.elapsed()
}

fn has_thread_of_traces(world: &World) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", world.server.id())).unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).unwrap())
        .any(|name| name.trim() == "traces")
}

#[tokio::test]
async fn a_dead_collector_costs_nothing_but_its_spans() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let world = World::with_settings(&settings).await;

    check_out(&world).await;

    wait::until("its spans are counted as dropped", async || {
        world.server.metric(NOT_TAKEN).await > 10.0
    })
    .await;
    check_out(&world).await;
    assert_eq!(world.server.metric(EXPORTED).await, 0.0);
    world.server.until_logged("takes no spans").await;
}

#[tokio::test]
async fn a_frozen_collector_stops_no_checkout_and_no_shutdown() {
    let collector = Collector::start().await;
    collector.take(Takes::Forever);
    let settings = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "60"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "600000"),
    ];
    let mut world = world_with(&collector, &settings).await;

    let mut slowest = Duration::ZERO;
    wait::until("spans are dropped", async || {
        slowest = slowest.max(check_out(&world).await);
        world.server.metric(QUEUE_FULL).await > 0.0
    })
    .await;

    assert!(collector.connections() > 0, "the collector was never asked");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let began_at = Instant::now();
    world.server.terminate();
    assert!(world.server.ended().await.success());
    let took = began_at.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_collector_that_refuses_for_a_while_gets_later_spans() {
    let collector = Collector::start().await;
    collector.take(Takes::Nothing(400));
    let world = world_with(&collector, &[]).await;
    check_out(&world).await;
    wait::until("the spans are dropped", async || {
        world.server.metric(NOT_TAKEN).await > 0.0
    })
    .await;

    collector.take(Takes::All);
    check_out(&world).await;

    collector.until_named(CHECKOUT, 1).await;
    world.server.until_logged("takes spans again").await;
    wait::until("they are counted", async || {
        world.server.metric(EXPORTED).await == collector.spans().len() as f64
    })
    .await;
}

#[tokio::test]
async fn the_last_spans_are_sent_at_the_stop() {
    let collector = Collector::start().await;
    let settings = [("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let mut world = world_with(&collector, &settings).await;
    check_out(&world).await;
    assert_eq!(collector.connections(), 0);

    world.server.terminate();
    assert!(world.server.ended().await.success());

    assert_eq!(collector.until_named(CHECKOUT, 1).await.len(), 1);
}

#[tokio::test]
async fn off_there_is_neither_a_connection_nor_a_thread() {
    let collector = Collector::start().await;
    let off = world_with(&collector, &[("OTEL_SDK_DISABLED", "true")]).await;
    let on = world_with(&collector, &[]).await;
    assert!(has_thread_of_traces(&on), "the test looks for another name");

    check_out(&off).await;

    assert!(!has_thread_of_traces(&off));
    assert_eq!(collector.connections(), 0);
}

#[tokio::test]
async fn the_standard_variables_name_the_service_and_carry_secrets() {
    let collector = Collector::start().await;
    let settings = [
        ("OTEL_SERVICE_NAME", "shop"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=tests",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=very-hidden"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ];
    let world = world_with(&collector, &settings).await;

    check_out(&world).await;

    collector.until_named(CHECKOUT, 1).await;
    let post = collector.posts().remove(0);
    assert_eq!(post.path, "/v1/traces");
    assert_eq!(post.headers["content-type"], "application/x-protobuf");
    assert_eq!(post.headers["content-encoding"], "gzip");
    assert_eq!(post.headers["x-key"], "very-hidden");
    assert_eq!(attribute(&post.resource, "service.name"), "shop");
    let environment = attribute(&post.resource, "deployment.environment.name");
    assert_eq!(environment, "tests");
    assert!(!attribute(&post.resource, "service.version").is_empty());
    let log = world.server.log().join("\n");
    assert!(!log.contains("very-hidden"));
}
