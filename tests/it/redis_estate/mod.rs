//! Redis as operators have it: with TLS, users, Sentinels, in a cluster, and Valkey.

mod acl;
mod cluster;
mod demoted;
mod moving_slots;
mod nodes;
mod repeated_commands;
mod sentinel;
mod tls;

use redis::streams::StreamRangeReply;
use serde_json::Value;

use crate::support::{
    Database, Market, Product, RedisServer, Reply, Server, Shopper, assert_consistent,
    contract::check_event, market::cart_of, patience::patient, wait,
};

/// Redis is tried again right after a failure.
const NO_PAUSE: (&str, &str) = ("SPLITCART_REDIS_PAUSE_MS", "1");
const STOCK: i32 = 10_000;

/// A service that sells one product.
struct Shop {
    server: Server,
    market: Market,
    product: Product,
}

impl Shop {
    async fn open(redis_url: &str, settings: &[(&str, &str)]) -> Self {
        let market = Market::new(Database::create().await);
        let mut all = patient(&[("SPLITCART_REDIS_URL", redis_url)]);
        all.extend(settings);
        Self {
            server: Server::start(&market.database.url, "redis://unused", &all).await,
            product: market.sold_product(500, STOCK).await,
            market,
        }
    }

    /// A buyer of a store of their own, who has bought nothing yet.
    async fn shopper(&self) -> Shopper {
        let cart = cart_of(&[(self.product, 1)]);
        Shopper::with_cart(&self.market, &self.server, &cart).await
    }

    async fn replays_from(&self, source: &str) -> f64 {
        let metric = format!("splitcart_replays_total{{source=\"{source}\"}}");
        self.server.metric(&metric).await
    }

    async fn failures(&self) -> f64 {
        self.server.metric("splitcart_redis_failures").await
    }

    /// Buys something twice under one key; true if the second answer came from Redis.
    async fn replays_once(&self) -> bool {
        let before = self.replays_from("redis").await;
        let shopper = self.shopper().await;
        let first = shopper.check_out().await;
        assert_eq!(first.status, 201, "{}", first.text());
        assert_is_replay(&shopper.check_out().await, &first);
        self.replays_from("redis").await > before
    }

    async fn until_redis_replays(&self) {
        wait::until("a replay comes from Redis", async || {
            self.replays_once().await
        })
        .await;
    }

    /// What `/readyz` reports about Redis: its state and its servers.
    async fn redis_state(&self) -> (String, Vec<Value>) {
        let (status, body) = self.server.operations("/readyz").await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let servers = body["redis_servers"].as_array().unwrap().clone();
        (body["redis"].as_str().unwrap().to_owned(), servers)
    }

    async fn until_published(&self) {
        let unpublished = "select count(*) from outbox_events where published_at is null";
        wait::until("every event is published", async || {
            self.market.database.count(unpublished).await == 0
        })
        .await;
    }

    /// Asserts that each of these shoppers has bought once, and gets the first answer for ever. A cart that was
    /// bought twice would have two groups, and more stock would be gone.
    async fn assert_bought_once(&self, bought: &[(Shopper, Reply)]) {
        for (shopper, first) in bought {
            assert_eq!(first.status, 201, "{}", first.text());
            assert_is_replay(&shopper.insist().await, first);
        }
        let database = &self.market.database;
        let groups = database.count("select count(*) from checkout_groups").await;
        let sold = i32::try_from(groups).unwrap();
        assert!(sold >= i32::try_from(bought.len()).unwrap());
        let stock = self.market.stock_of(self.product).await;
        assert_eq!(stock, (STOCK - sold, sold));
        assert_consistent(database).await;
    }
}

fn assert_is_replay(reply: &Reply, first: &Reply) {
    assert_eq!(reply.status, first.status, "{}", reply.text());
    assert!(reply.is_replay() && reply.bytes == first.bytes);
}

/// The envelopes on the stream, oldest first.
async fn events_on(server: &RedisServer) -> Vec<Value> {
    let words = ["XRANGE", "splitcart.events", "-", "+"];
    let entries: StreamRangeReply = server.ask(&words).await.unwrap();
    let events = entries.ids.iter().map(|entry| {
        let event = entry.get::<String>("event").unwrap();
        serde_json::from_str(&event).unwrap()
    });
    let events: Vec<Value> = events.collect();
    events.iter().for_each(check_event);
    events
}
