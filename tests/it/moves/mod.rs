//! What becomes of an order after its checkout: decisions, fulfilments, cancellations.

mod cancellation;
mod decision;
mod expiry;
mod faults;
mod fulfillment;
mod late;
mod requests;
mod together;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Product, Reply, Vendor, World, client::fresh_key, market::cart_of,
};

/// A buyer and a vendor with a few products, and a server.
pub struct Stage {
    pub world: World,
    pub buyer: Client,
    pub vendor: Client,
    pub shop: Vendor,
    pub products: Vec<Product>,
}

impl Stage {
    /// Products at these prices in cents, ten units of each.
    pub async fn with_products(prices: &[i64]) -> Self {
        Self::with_settings(prices, &[]).await
    }

    /// The same with some settings changed.
    pub async fn with_settings(prices: &[i64], settings: &[(&str, &str)]) -> Self {
        let world = World::with_settings(settings).await;
        let shop = world.market.vendor().await;
        let mut products = Vec::new();
        for price in prices {
            products.push(world.market.product(shop, *price, 10).await);
        }
        let buyer = world.client(&world.market.buyer().await);
        let vendor = worker(&world, shop, "ops").await;
        Self {
            world,
            buyer,
            vendor,
            shop,
            products,
        }
    }

    /// Buys so many units of each product, 0 for none; the order as it is read.
    pub async fn buy(&self, quantities: &[i32]) -> Value {
        let lines: Vec<_> = self
            .products
            .iter()
            .copied()
            .zip(quantities.iter().copied())
            .filter(|(_, qty)| *qty > 0)
            .collect();
        let group = check_out(&self.buyer, &cart_of(&lines)).await;
        let id = group["vendor_orders"][0]["order_id"].as_str().unwrap();
        self.buyer.get(&format!("/api/v1/orders/{id}")).await.data()
    }

    /// The available, the reserved and the fulfilled units of each product.
    pub async fn stock(&self) -> Vec<(i32, i32, i64)> {
        let mut all = Vec::new();
        for product in &self.products {
            let row = sqlx::query_as(
                "select available_qty, reserved_qty, fulfilled_qty from inventory_items
                 where product_id = $1",
            );
            let pool = &self.world.market.database.pool;
            all.push(row.bind(product.id).fetch_one(pool).await.unwrap());
        }
        all
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

/// Buys a cart; what the checkout answers.
pub async fn check_out(client: &Client, cart: &Value) -> Value {
    let cart_id = client.freeze(cart).await;
    let reply = client.check_out(&fresh_key(), cart_id).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.data()
}

pub fn id(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The request of a move.
pub fn request(client: &Client, path: &str, key: &str, body: &Value) -> reqwest::RequestBuilder {
    client
        .request(Method::POST, path)
        .header("Idempotency-Key", key)
        .json(body)
}

/// Sends a move under a fresh key.
pub async fn post(client: &Client, path: &str, body: &Value) -> Reply {
    Client::send(request(client, path, &fresh_key(), body)).await
}

/// The path of what is done with an order.
pub fn path(order: &Value, action: &str) -> String {
    format!("/api/v1/orders/{}/{action}", id(&order["order_id"]))
}

pub async fn decide(client: &Client, order: &Value, body: &Value) -> Reply {
    post(client, &path(order, "decision"), body).await
}

pub async fn accept(client: &Client, order: &Value) -> Reply {
    decide(client, order, &json!({ "decision": "accept" })).await
}

pub async fn fulfil(client: &Client, order: &Value) -> Reply {
    post(client, &path(order, "fulfillment"), &json!({})).await
}

pub async fn cancel(client: &Client, order: &Value) -> Reply {
    post(client, &path(order, "cancellation"), &json!({})).await
}

/// The statuses of an order's lines.
pub fn line_statuses(order: &Value) -> Vec<String> {
    let lines = order["items"].as_array().unwrap().iter();
    lines.map(|line| id(&line["status"])).collect()
}

/// The details of a 409.
pub fn conflict(reply: &Reply) -> Value {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (409, "ORDER_STATE_CONFLICT")
    );
    reply.json()["error"]["details"].clone()
}
