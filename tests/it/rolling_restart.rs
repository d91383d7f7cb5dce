//! Two instances behind `HAProxy`, under load, restarted one after the other: no request is lost.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Client, Database, Market, Redis, Server, assert_consistent,
    client::fresh_key,
    haproxy::{HaProxy, NAMES},
    market::cart_of,
    server::token_for,
    wait,
};

const CLIENTS: usize = 6;

/// The outcome of the load.
#[derive(Debug, Default)]
struct Outcome {
    bought: usize,
    /// Statuses and errors of requests that were not answered as they should be.
    lost: Vec<String>,
}

/// The delay is the default one, in which a balancer or the endpoints of Kubernetes notice.
#[tokio::test]
async fn a_rolling_restart_behind_a_balancer_loses_no_request() {
    let (outcome, market) = restart_under_load("5").await;
    assert_eq!(outcome.lost, Vec::<String>::new());
    assert!(outcome.bought > CLIENTS, "{outcome:?}");
    let orders = market
        .database
        .count("select count(*) from checkout_groups")
        .await;
    assert_eq!(orders, i64::try_from(outcome.bought).unwrap());
    assert_consistent(&market.database).await;
}

/// The same without a delay: the test above would notice.
#[tokio::test]
async fn without_a_delay_a_rolling_restart_loses_requests() {
    let (outcome, _) = restart_under_load("0").await;
    assert!(!outcome.lost.is_empty(), "{outcome:?}");
}

async fn restart_under_load(delay_s: &str) -> (Outcome, Market) {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let market = Market::new(database);
    let url = market.database.url.clone();
    let settings = [("SPLITCART_HTTP_DRAIN_DELAY_S", delay_s)];
    let start = async || Server::start(&url, &redis.url, &settings).await;
    let mut servers = [start().await, start().await];
    let proxy = HaProxy::before(&servers).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let product = market.sold_product(500, 1_000_000).await;
        let token = token_for(&market.buyer().await);
        let client = Client::by_socket(&proxy.socket(), token);
        let stop = Arc::clone(&stop);
        clients.push(tokio::spawn(async move {
            buy_until(&stop, &client, &cart_of(&[(product, 1)])).await
        }));
    }

    for (name, server) in NAMES.iter().zip(&mut servers) {
        server.terminate();
        assert!(server.ended().await.success());
        proxy.until(name, "DOWN").await;
        *server = start().await;
        proxy.replace(name, server).await;
    }
    // The new instances have taken over: each serves.
    for server in &servers {
        wait::until("it serves", async || {
            server.metric("splitcart_checkouts_total").await > 0.0
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);

    let mut all = Outcome::default();
    for outcome in join_all(clients).await {
        let outcome = outcome.unwrap();
        all.bought += outcome.bought;
        all.lost.extend(outcome.lost);
    }
    (all, market)
}

/// Freezes a cart and buys it, again and again.
async fn buy_until(stop: &AtomicBool, client: &Client, cart: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    while !stop.load(Ordering::Relaxed) {
        match buy(client, cart).await {
            Ok(()) => outcome.bought += 1,
            Err(lost) => outcome.lost.push(lost),
        }
    }
    outcome
}

async fn buy(client: &Client, cart: &Value) -> Result<(), String> {
    let frozen = sent(client.put_cart_request(&fresh_key(), cart), 200).await?;
    let body = json!({ "cart_id": frozen["data"]["id"] });
    sent(client.checkout_request(&fresh_key(), &body), 201).await?;
    Ok(())
}

/// The body of an answer with the status that is due. The balancer's own errors are no JSON.
async fn sent(request: reqwest::RequestBuilder, due: u16) -> Result<Value, String> {
    let reply = request.send().await.map_err(|error| error.to_string())?;
    let status = reply.status().as_u16();
    let text = reply.text().await.map_err(|error| error.to_string())?;
    if status != due {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
