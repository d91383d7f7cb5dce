//! The canonical log line of a checkout: what became of it, in which batch, and where its time went.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::support::{
    Client, Server, Shopper, World,
    market::cart_of,
    server::{self, SECRET},
    wait,
};

/// Waits for the line of a request and returns it.
async fn line_of(server: &Server, request_id: &str) -> String {
    let mut own = None;
    wait::until("the request's line is in the log", async || {
        let mut lines = server.log().into_iter();
        own = lines.find(|line| line.contains(request_id) && line.contains("answered"));
        own.is_some()
    })
    .await;
    own.unwrap()
}

async fn shopper(world: &World) -> Shopper {
    let product = world.market.sold_product(500, 90).await;
    Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 2)])).await
}

#[tokio::test]
async fn the_line_of_a_checkout_tells_its_outcome_its_batch_and_its_stages() {
    let world = World::start().await;
    let shopper = shopper(&world).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    let reply = Client::send(shopper.request().header("traceparent", trace)).await;

    let text = line_of(&world.server, reply.header("x-request-id")).await;
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["checkout.outcome"], "created");
    assert_eq!(
        (&line["batch.size"], &line["batch.attempts"]),
        (&1.into(), &1.into())
    );
    assert_eq!(line["trace.id"], "0af7651916cd43dd8448eb211c80319c");
    // Traces are off: the client's trace is named, and nothing was added to it.
    assert_eq!(line["trace.kept"], Value::Null);
    let fields = line.as_object().unwrap().iter();
    let stages = fields.filter(|(name, _)| name.starts_with("stage."));
    let sum: f64 = stages.map(|(_, time)| time.as_f64().unwrap()).sum();
    let took = line["http.duration_ms"].as_f64().unwrap();
    assert!((sum - took).abs() < 0.02, "{sum} of {took}");
    assert!(line["stage.commit_ms"].as_f64().unwrap() > 0.0);
    assert!(line["wait_ms"].as_f64().unwrap() >= 0.0);
    let token = server::token_for(&shopper.buyer);
    for secret in [SECRET, &token, "127.0.0.1"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn the_wait_of_a_checkout_for_rows_of_others_is_not_the_rest() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 90).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let held = world.market.hold_stock(product).await;

    let reply = Client::send(shopper.request()).await;

    assert_eq!(reply.status, 503, "{}", reply.text());
    let text = line_of(&world.server, reply.header("x-request-id")).await;
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["checkout.outcome"], "overloaded");
    let time = |stage: &str| line[format!("stage.{stage}_ms")].as_f64().unwrap();
    let took = line["http.duration_ms"].as_f64().unwrap();
    assert!(time("retries") + time("reservation") > took / 2.0, "{text}");
    assert!(time("rest") < took / 2.0, "{text}");
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn a_replay_is_told_and_has_no_stages() {
    let world = World::start().await;
    let shopper = shopper(&world).await;
    assert_eq!(shopper.check_out().await.status, 201);
    let replay = shopper.insist().await;

    let line = line_of(&world.server, replay.header("x-request-id")).await;

    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["checkout.outcome"], "replayed");
    assert_eq!(line["http.replayed"], true);
}

#[tokio::test]
async fn people_read_the_stages_in_one_field() {
    let world = World::start().await;
    let shopper = shopper(&world).await;
    let mut command = server::serve();
    command
        .env("SPLITCART_DATABASE_URL", &world.market.database.url)
        .env("SPLITCART_REDIS_URL", &world.redis.url)
        .env("SPLITCART_LOG_FORMAT", "human")
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut line_with = |text: &str| log.find_map(|line| line.ok().filter(|it| it.contains(text)));
    let listening = line_with("listening on http://").unwrap();
    let address = listening.split("listening on ").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    let client = Client::new(address, Some(server::token_for(&shopper.buyer)));

    let reply = client.check_out(&shopper.key, shopper.cart_id).await;

    let line = line_with("POST /api/v1/checkout answered");
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let line = line.unwrap();
    let stages = line.split("stages_ms=").nth(1).unwrap_or_default();
    assert!(stages.contains("commit "), "{line}");
    assert!(!line.contains("stage.commit_ms"), "{line}");
}
