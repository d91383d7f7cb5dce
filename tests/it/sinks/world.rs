//! A service with sinks of the test's choice, and events for them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use splitcart::{
    db::outbox::{self, Event},
    domain::ids::EventId,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{
    Database, Market, Redis, Server,
    server::{serve, use_redis},
    wait,
};

pub struct SinkWorld {
    pub server: Server,
    pub redis: Redis,
    pub market: Market,
    /// Aggregates to which [`SinkWorld::announce`] adds events.
    aggregates: Vec<Uuid>,
    start: DateTime<Utc>,
    _config: TempDir,
}

/// The table of a sink in Redis, named `stream`.
pub const STREAM: &str = "[[outbox.sinks]]\nname = \"stream\"\nkind = \"redis_stream\"\n";

/// The table of a sink in NATS, named `nats`, with further settings.
pub fn nats_sink(url: &str, settings: &str) -> String {
    format!(
        "[[outbox.sinks]]\nname = \"nats\"\nkind = \"nats_jetstream\"\nurl = \"{url}\"\n{settings}\n"
    )
}

impl SinkWorld {
    /// With these tables of sinks.
    pub async fn start(sinks: &[&str]) -> Self {
        Self::with_redis(Redis::start().await, sinks, &[]).await
    }

    pub async fn with_settings(sinks: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::with_redis(Redis::start().await, sinks, settings).await
    }

    pub async fn with_redis(redis: Redis, sinks: &[&str], settings: &[(&str, &str)]) -> Self {
        let config = tempfile::tempdir().unwrap();
        std::fs::write(config.path().join("config.toml"), sinks.concat()).unwrap();
        let market = Market::new(Database::create().await);
        let mut command = serve();
        use_redis(&mut command, &redis.url);
        command
            .arg("--config")
            .arg(config.path().join("config.toml"))
            .env("SPLITCART_DATABASE_URL", &market.database.url)
            .env("SPLITCART_OUTBOX_POLL_MS", "50")
            .envs(settings.iter().copied());
        Self {
            server: Server::launch(command).await,
            redis,
            market,
            aggregates: (0..5).map(|_| Uuid::now_v7()).collect(),
            start: Utc::now(),
            _config: config,
        }
    }

    /// Writes an event of each aggregate, as a process that has died has left them.
    pub async fn announce(&self, nr: i64) {
        let events = self
            .aggregates
            .iter()
            .map(|aggregate| self.event(*aggregate, nr, 0))
            .collect();
        self.write(events).await;
    }

    /// Writes an event of the first aggregate alone, with a payload of about this size.
    pub async fn announce_large(&self, nr: i64, bytes: usize) {
        self.write(vec![self.event(self.aggregates[0], nr, bytes)])
            .await;
    }

    async fn write(&self, events: Vec<Event>) {
        let mut connection = self.market.database.pool.acquire().await.unwrap();
        outbox::announce_in_order(&mut connection, events, Duration::ZERO)
            .await
            .unwrap();
    }

    fn event(&self, aggregate: Uuid, nr: i64, bytes: usize) -> Event {
        Event {
            id: EventId::new(Uuid::now_v7()),
            event_type: "order_decided".to_owned(),
            aggregate_type: "vendor_order".to_owned(),
            aggregate_id: aggregate,
            payload: serde_json::json!({ "nr": nr, "ballast": "x".repeat(bytes) }),
            created_at: self.start + TimeDelta::microseconds(nr),
            actor: None,
            traceparent: Some(TRACEPARENT.to_owned()),
        }
    }

    /// The first aggregate.
    pub fn first(&self) -> Uuid {
        self.aggregates[0]
    }

    /// Asserts that each aggregate's events are those with these numbers, in this order. An event may stand
    /// there twice, with the same id.
    pub fn assert_in_order(&self, events: &[Value], numbers: std::ops::Range<i64>) {
        for aggregate in &self.aggregates {
            let mut ids = Vec::new();
            let mut seen = Vec::new();
            for event in events {
                if event["aggregate_id"] == aggregate.to_string()
                    && !ids.contains(&&event["event_id"])
                {
                    ids.push(&event["event_id"]);
                    seen.push(event["data"]["nr"].as_i64().unwrap());
                }
            }
            let expected: Vec<_> = numbers.clone().collect();
            assert_eq!(seen, expected, "aggregate {aggregate}");
        }
    }

    /// Waits until the service has reported that a sink takes nothing.
    pub async fn until_down(&self, sink: &str, reason: &str) {
        let metric =
            format!("splitcart_outbox_sink_failures_total{{sink=\"{sink}\",reason=\"{reason}\"}}");
        wait::until(&format!("{sink} is down: {reason}"), async || {
            self.server.metric(&metric).await > 0.0
        })
        .await;
    }

    pub async fn until_up(&self, sink: &str) {
        let metric = format!("splitcart_outbox_sink_up{{sink=\"{sink}\"}}");
        wait::until(&format!("{sink} is up"), async || {
            self.server.metric(&metric).await == 1.0
        })
        .await;
    }

    /// Asserts that no sink has blamed an event.
    pub async fn assert_nothing_blamed(&self) {
        let database = &self.market.database;
        for query in [
            "select count(*) from outbox_events where attempts > 0",
            "select count(*) from outbox_dead_letters",
            "select count(*) from outbox_backlog",
        ] {
            assert_eq!(database.count(query).await, 0, "{query}");
        }
    }
}

/// The trace context of every event here.
pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
