//! A vendor's stock over HTTP: counts and the list.

mod bodies;
mod counts;
#[cfg(feature = "faults")]
mod crashes;
mod crowd;
mod held;
mod keys;
mod list;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Product, Reply, Shopper, Vendor, World, client::fresh_key, market::cart_of,
};

pub const PATH: &str = "/api/v1/inventory";

/// A vendor with some products, and a server.
pub struct Shop {
    pub world: World,
    pub vendor: Vendor,
    pub client: Client,
    pub products: Vec<Product>,
}

impl Shop {
    /// With a product for each of these quantities.
    pub async fn with_stock(available: &[i32]) -> Self {
        Self::in_world(World::start().await, available).await
    }

    pub async fn in_world(world: World, available: &[i32]) -> Self {
        let vendor = world.market.vendor().await;
        let mut products = Vec::new();
        for available in available {
            products.push(world.market.product(vendor, 500, *available).await);
        }
        let client = worker(&world, vendor, "ops").await;
        Self {
            world,
            vendor,
            client,
            products,
        }
    }

    /// Counts some items, which must succeed; what became of each.
    pub async fn count(&self, items: &[Value]) -> Vec<Value> {
        results(&count(&self.client, items).await)
    }

    /// Buys so many units of a product.
    pub async fn sell(&self, product: Product, qty: i32) {
        let cart = cart_of(&[(product, qty)]);
        let shopper = Shopper::with_cart(&self.world.market, &self.world.server, &cart).await;
        assert_eq!(shopper.check_out().await.status, 201);
    }

    /// The available, the reserved units and the version of a product.
    pub async fn stock(&self, product: Product) -> (i32, i32, i64) {
        let row = "select available_qty, reserved_qty, version from inventory_items
                   where product_id = $1";
        sqlx::query_as(row)
            .bind(product.id)
            .fetch_one(&self.world.market.database.pool)
            .await
            .unwrap()
    }
}

/// A person who works for the vendor.
pub async fn worker(world: &World, vendor: Vendor, role: &str) -> Client {
    let shop = Buyer {
        user_id: Uuid::now_v7(),
        store_id: vendor.store_id,
    };
    world.client(&world.market.colleague(&shop, role).await)
}

/// The request of a count with any body.
pub fn request(client: &Client, key: &str, body: &Value) -> RequestBuilder {
    client
        .request(Method::PUT, PATH)
        .header("Idempotency-Key", key)
        .json(body)
}

/// Counts some items under a fresh key.
pub async fn count(client: &Client, items: &[Value]) -> Reply {
    Client::send(request(client, &fresh_key(), &json!({ "items": items }))).await
}

/// What became of the items of a count that succeeded.
pub fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.data()["results"].as_array().unwrap().clone()
}

/// An item's result in a word: its reason if it is refused.
pub fn word(result: &Value) -> &str {
    assert_eq!(result["result"] == "refused", result["reason"].is_string());
    let word = if result["result"] == "refused" {
        &result["reason"]
    } else {
        &result["result"]
    };
    word.as_str().unwrap()
}
