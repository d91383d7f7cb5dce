//! A service on which everything happens that the boards show.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Database, Market, Product, Redis, Server, World,
    client::fresh_key,
    keys::{KeyFile, KeyPair},
    market::cart_of,
    receiver::Receiver,
    server::{serve, token_for},
};

const SINKS: &str = "
[[outbox.sinks]]
name = \"stream\"
kind = \"redis_stream\"
[[outbox.sinks]]
name = \"webhooks\"
kind = \"webhook\"
";

/// Two instances in front of one database, a buyer, a vendor and the receiver of the vendor's webhooks.
pub struct Loaded {
    pub world: World,
    /// Trusts a key in a file, which it watches.
    pub other: Server,
    buyer: Client,
    vendor: Client,
    product: Product,
    _receiver: Receiver,
    _keys: KeyFile,
    _config: tempfile::NamedTempFile,
}

impl Loaded {
    pub async fn start() -> Self {
        let (database, redis) = (Database::create().await, Redis::start().await);
        let config = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(config.path(), SINKS).unwrap();
        let keys = KeyFile::new(&KeyPair::ed25519().public_pem);
        let start = async |more: &[(&str, &str)]| {
            let mut command = serve();
            command
                .arg("--config")
                .arg(config.path())
                .env("SPLITCART_DATABASE_URL", &database.url)
                .env("SPLITCART_REDIS_URL", &redis.url)
                .env("SPLITCART_OUTBOX_WEBHOOKS_TO_PRIVATE_ADDRESSES", "true")
                .envs(more.iter().copied());
            Server::launch(command).await
        };
        let server = start(&[]).await;
        let file = keys.name();
        let other = start(&[
            ("SPLITCART_AUTH_HS256_SECRET", ""),
            ("SPLITCART_AUTH_PUBLIC_KEY_FILE", &file),
        ])
        .await;
        let market = Market::new(database);
        let buyer = server.client(&market.buyer().await);
        let product = market.sold_product(500, 100_000).await;
        let store = Buyer {
            user_id: Uuid::nil(),
            store_id: product.vendor.store_id,
        };
        let owner = market.colleague(&store, "owner").await;
        let vendor = Client::new(&server.http, Some(token_for(&owner)));
        let receiver = Receiver::start().await;
        let endpoint = json!({ "url": receiver.url(), "event_types": [] });
        let created = vendor.request(Method::POST, "/api/v1/webhook-endpoints");
        let created = Client::send(created.json(&endpoint)).await;
        assert_eq!(created.status, 201, "{}", created.text());
        Self {
            world: World {
                server,
                redis,
                market,
            },
            other,
            buyer,
            vendor,
            product,
            _receiver: receiver,
            _keys: keys,
            _config: config,
        }
    }

    /// A checkout and its replay, a decision, a fulfilment and a count.
    pub async fn go_round(&self) {
        let order = self.buy().await;
        self.post(&order, "decision", &json!({ "decision": "accept" }))
            .await;
        self.post(&order, "fulfillment", &json!({})).await;
        let items =
            json!({ "items": [{ "product_id": self.product.id, "available_qty": 100_000 }] });
        let count = self
            .vendor
            .request(Method::PUT, "/api/v1/inventory")
            .header("Idempotency-Key", fresh_key())
            .json(&items);
        let counted = Client::send(count).await;
        assert_eq!(counted.status, 200, "{}", counted.text());
    }

    async fn buy(&self) -> String {
        let cart = self.buyer.freeze(&cart_of(&[(self.product, 1)])).await;
        let key = fresh_key();
        let group = self.buyer.check_out(&key, cart).await;
        assert_eq!(group.status, 201, "{}", group.text());
        assert!(self.buyer.check_out(&key, cart).await.is_replay());
        let order = &group.data()["vendor_orders"][0]["order_id"];
        order.as_str().unwrap().to_owned()
    }

    async fn post(&self, order: &str, action: &str, body: &Value) {
        let path = format!("/api/v1/orders/{order}/{action}");
        let request = self
            .vendor
            .request(Method::POST, &path)
            .header("Idempotency-Key", fresh_key());
        let moved = Client::send(request.json(body)).await;
        assert_eq!(moved.status, 200, "{}", moved.text());
    }
}
