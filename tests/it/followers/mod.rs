//! Several sinks of events, each with its own progress: a primary one, and followers of the log of events.

mod command;
mod log;
mod several;
mod slow;

use std::collections::BTreeSet;

use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{
    Database, Market, Redis, Server, Shopper, crowd::check_out_together, market::cart_of, wait,
};

/// A service with two sinks, `stream` and `copy`, each in a Redis of its own; first answers are in a third.
struct Stage {
    server: Server,
    market: Market,
    keys: Redis,
    primary: Redis,
    follower: Redis,
    dir: TempDir,
}

impl Stage {
    async fn start() -> Self {
        Self::with_settings(&[]).await
    }

    async fn with_settings(settings: &[(&str, &str)]) -> Self {
        let database = Database::create().await;
        let (keys, primary, follower) =
            tokio::join!(Redis::start(), Redis::start(), Redis::start());
        let dir = tempfile::tempdir().unwrap();
        let sinks = [("stream", &primary), ("copy", &follower)];
        let file = settings_file(&dir, &sinks);
        let server = Server::start_with_file(&database.url, &keys.url, &file, settings).await;
        Self {
            server,
            market: Market::new(database),
            keys,
            primary,
            follower,
            dir,
        }
    }

    /// Another instance, or the next one, with these sinks.
    async fn serve(&self, sinks: &[(&str, &Redis)], settings: &[(&str, &str)]) -> Server {
        let file = settings_file(&self.dir, sinks);
        let database_url = &self.market.database.url;
        Server::start_with_file(database_url, &self.keys.url, &file, settings).await
    }

    fn database(&self) -> &Database {
        &self.market.database
    }

    /// Buys so many carts; the ids of their groups.
    async fn buy(&self, count: usize) -> BTreeSet<Uuid> {
        let product = self.market.sold_product(500, 1000).await;
        let carts = vec![cart_of(&[(product, 1)]); count];
        let shoppers = Shopper::with_carts(&self.market, &self.server, &carts).await;
        let replies = check_out_together(&shoppers).await;
        let groups = replies.iter().map(|reply| {
            assert_eq!(reply.status, 201, "{}", reply.text());
            let id = reply.data()["checkout_group_id"]
                .as_str()
                .unwrap()
                .to_owned();
            id.parse().unwrap()
        });
        groups.collect()
    }

    /// Inserts an event of an aggregate by hand. `payload` is an expression of SQL.
    async fn insert(&self, aggregate: Uuid, event_type: &str, payload: &str) -> Uuid {
        let [id] = self
            .insert_at_once([(aggregate, event_type, payload)])
            .await;
        id
    }

    /// Inserts events by hand, in one transaction.
    async fn insert_at_once<const N: usize>(&self, events: [(Uuid, &str, &str); N]) -> [Uuid; N] {
        let ids = [(); N].map(|()| Uuid::now_v7());
        let rows = ids.iter().zip(events).map(|(id, (aggregate, event_type, payload))| {
            format!("('{id}', '{event_type}', 'test', '{aggregate}', to_jsonb({payload}::text), clock_timestamp())")
        });
        let statement = format!(
            "insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload, created_at)
             values {}",
            rows.collect::<Vec<_>>().join(", "),
        );
        self.database().run(&statement).await;
        ids
    }
}

/// Writes a file with sinks in Redis, and returns its path.
fn settings_file(dir: &TempDir, sinks: &[(&str, &Redis)]) -> std::path::PathBuf {
    let sinks = sinks.iter().map(|(name, redis)| {
        format!(
            "[[outbox.sinks]]\nname = \"{name}\"\nkind = \"redis_stream\"\nurl = \"{}\"\n",
            redis.url
        )
    });
    let path = dir.path().join(format!("{}.toml", Uuid::now_v7()));
    std::fs::write(&path, sinks.collect::<String>()).unwrap();
    path
}

/// The ids of the events on a sink's stream, in order.
async fn ids_on(redis: &Redis) -> Vec<Uuid> {
    column(redis, "event_id").await
}

/// The aggregates of the events on a sink's stream, in order.
async fn aggregates_on(redis: &Redis) -> Vec<Uuid> {
    column(redis, "aggregate_id").await
}

async fn column(redis: &Redis, field: &str) -> Vec<Uuid> {
    let id = |event: &Value| event[field].as_str().unwrap().parse().unwrap();
    redis.any_events().await.iter().map(id).collect()
}

/// Waits until a sink's stream has the events of these aggregates, and of no others.
async fn until_announced(redis: &Redis, aggregates: &BTreeSet<Uuid>) {
    wait::until("the sink has every event", async || {
        let found: BTreeSet<_> = aggregates_on(redis).await.into_iter().collect();
        found == *aggregates
    })
    .await;
}
