//! The vocabulary of the tests: a market, a server, clients.
//!
//! One private PostgreSQL serves the whole run; every test has a database, a Redis and a server process
//! of its own. No server listens on a fixed port, and everything ends with the test process, however
//! that ends.

pub mod audit;
pub mod authority;
pub mod background;
pub mod brokers;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod contract;
pub mod crowd;
pub mod database;
pub mod dump;
pub mod haproxy;
pub mod keys;
pub mod market;
pub mod patience;
pub mod pg_messages;
pub mod pgbouncer;
pub mod pooler;
pub mod postgres_pair;
pub mod prometheus;
pub mod receiver;
pub mod redis;
pub mod redis_server;
pub mod server;
pub mod silent_proxy;
pub mod socket;
pub mod tls_front;
pub mod wait;

pub use audit::assert_consistent;
pub use client::{Client, Reply};
pub use crowd::Shopper;
pub use database::Database;
pub use market::{Buyer, Market, Product, Vendor};
pub use redis::Redis;
pub use redis_server::RedisServer;
pub use server::Server;

/// A running service with everything around it.
pub struct World {
    pub server: Server,
    pub redis: Redis,
    pub market: Market,
}

impl World {
    /// A service with the default settings.
    pub async fn start() -> Self {
        Self::with_settings(&[]).await
    }

    /// A service with some settings changed: names and values of environment variables.
    pub async fn with_settings(settings: &[(&str, &str)]) -> Self {
        let database = Database::create().await;
        let redis = Redis::start().await;
        let server = Server::start(&database.url, &redis.url, settings).await;
        Self {
            server,
            redis,
            market: Market::new(database),
        }
    }

    /// A client that acts for a buyer.
    pub fn client(&self, buyer: &Buyer) -> Client {
        self.server.client(buyer)
    }
}
