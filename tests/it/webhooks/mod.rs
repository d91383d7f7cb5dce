//! Webhooks: the routes of endpoints, what is delivered to whom, and what becomes of deliveries that fail.

mod deliveries;
mod endpoints;
mod faults;
mod queue;
mod security;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Database, Market, Product, Redis, Reply, Server, Vendor, World,
    client::fresh_key,
    market::cart_of,
    server::{serve, token_for},
    wait,
};

const ENDPOINTS: &str = "/api/v1/webhook-endpoints";
const SINKS: &str = "
[[outbox.sinks]]
name = \"stream\"
kind = \"redis_stream\"
[[outbox.sinks]]
name = \"webhooks\"
kind = \"webhook\"
";

/// A market with a service that sends webhooks, also to private addresses.
struct Stage {
    world: World,
    config: NamedTempFile,
    buyer: Client,
}

/// An endpoint with its secret.
struct Endpoint {
    id: String,
    secret: String,
}

impl Stage {
    async fn start() -> Self {
        Self::with_settings(&[("SPLITCART_OUTBOX_WEBHOOKS_TO_PRIVATE_ADDRESSES", "true")]).await
    }

    async fn with_settings(settings: &[(&str, &str)]) -> Self {
        let database = Database::create().await;
        let redis = Redis::start().await;
        let config = NamedTempFile::new().unwrap();
        std::fs::write(config.path(), SINKS).unwrap();
        let server = server(&config, &database, &redis, settings).await;
        let market = Market::new(database);
        let buyer = server.client(&market.buyer().await);
        let world = World {
            server,
            redis,
            market,
        };
        Self {
            world,
            config,
            buyer,
        }
    }

    /// Another instance of the same service.
    async fn another_server(&self, settings: &[(&str, &str)]) -> Server {
        let database = &self.world.market.database;
        let private = [("SPLITCART_OUTBOX_WEBHOOKS_TO_PRIVATE_ADDRESSES", "true")];
        let settings = [&private, settings].concat();
        server(&self.config, database, &self.world.redis, &settings).await
    }

    /// A member of a vendor's store.
    async fn vendor(&self, vendor: Vendor, role: &str) -> Client {
        let store = Buyer {
            user_id: Uuid::nil(),
            store_id: vendor.store_id,
        };
        let member = self.world.market.colleague(&store, role).await;
        Client::new(&self.world.server.http, Some(token_for(&member)))
    }

    /// Products of vendors of their own, with a client of each vendor's owner.
    async fn vendors<const N: usize>(&self) -> ([Product; N], Vec<Client>) {
        let mut products = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..N {
            let product = self.world.market.sold_product(1000, 1000).await;
            clients.push(self.vendor(product.vendor, "owner").await);
            products.push(product);
        }
        (products.try_into().unwrap(), clients)
    }

    /// Buys one unit of each product; the group as it is answered.
    async fn buy(&self, products: &[Product]) -> Value {
        let lines: Vec<_> = products.iter().map(|product| (*product, 1)).collect();
        let cart = self.buyer.freeze(&cart_of(&lines)).await;
        let reply = self.buyer.check_out(&fresh_key(), cart).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.data()
    }

    async fn run(&self, statement: &str) {
        self.world.market.database.run(statement).await;
    }

    /// Makes everything that waits due now.
    async fn make_due(&self) {
        self.run("update webhook_deliveries set due_at = now() where outcome is null")
            .await;
        // Never after the deliveries.
        self.run("update webhook_endpoints set next_due_at = now() - interval '5 seconds'")
            .await;
    }

    async fn count(&self, query: &'static str) -> i64 {
        self.world.market.database.count(query).await
    }
}

async fn server(
    config: &NamedTempFile,
    database: &Database,
    redis: &Redis,
    settings: &[(&str, &str)],
) -> Server {
    let mut command = serve();
    command
        .arg("--config")
        .arg(config.path())
        .env("SPLITCART_DATABASE_URL", &database.url)
        .env("SPLITCART_REDIS_URL", &redis.url)
        .envs(settings.iter().copied());
    Server::launch(command).await
}

async fn send(client: &Client, method: Method, path: &str) -> Reply {
    Client::send(client.request(method, path)).await
}

async fn send_json(client: &Client, method: Method, path: &str, body: &Value) -> Reply {
    Client::send(client.request(method, path).json(body)).await
}

/// Creates an endpoint that gets these types of events; none: all.
async fn create(client: &Client, url: &str, event_types: &[&str]) -> Endpoint {
    let body = json!({ "url": url, "event_types": event_types });
    let reply = send_json(client, Method::POST, ENDPOINTS, &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let endpoint = reply.data();
    Endpoint {
        id: endpoint["id"].as_str().unwrap().to_owned(),
        secret: endpoint["secret"].as_str().unwrap().to_owned(),
    }
}

impl Endpoint {
    fn path(&self) -> String {
        format!("{ENDPOINTS}/{}", self.id)
    }

    /// The deliveries as the route lists them.
    async fn deliveries(&self, client: &Client) -> Vec<Value> {
        let reply = client.get(&format!("{}/deliveries", self.path())).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.data().as_array().unwrap().clone()
    }

    /// Waits until the newest attempt that was made has this outcome, and returns it.
    async fn until_tried(&self, client: &Client, outcome: &str) -> Value {
        let mut found = None;
        wait::until(&format!("an attempt has {outcome}"), async || {
            let deliveries = self.deliveries(client).await;
            let made = deliveries.into_iter().find(|it| !it["outcome"].is_null());
            found = made.filter(|it| it["outcome"] == outcome);
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}
