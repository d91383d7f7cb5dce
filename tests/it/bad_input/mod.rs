//! Bad input for `PUT /api/v1/cart` and `POST /api/v1/checkout`: always 4xx in the envelope, every
//! problem named, and never a changed row.

mod bodies;
mod bombs;
mod fields;
mod keys;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Buyer, Client, Reply, World,
    client::fresh_key,
    market::{cart_of, item},
};

const ROUTES: [(Method, &str); 2] = [
    (Method::PUT, "/api/v1/cart"),
    (Method::POST, "/api/v1/checkout"),
];

/// A world with one buyer and a cart in which every field is set.
struct Fixture {
    world: World,
    buyer: Buyer,
    client: Client,
    cart: Value,
    before: Vec<(String, String)>,
}

impl Fixture {
    async fn new() -> Self {
        let world = World::start().await;
        let buyer = world.market.buyer().await;
        let client = world.client(&buyer);
        let product = world.market.sold_product(1000, 50).await;
        let vendor = product.vendor;
        world.market.discount(vendor, "TEN", "fixed", "10.00").await;
        let mut line = item(product, 2);
        line["unit_price"] = json!("10.00");
        line["line_total"] = json!("20.00");
        let cart = json!({
            "currency": "USD",
            "shipping_address": {
                "line1": "1 Main St", "line2": "Floor 2", "city": "Tulsa", "state": "OK",
                "postal_code": "74103", "country": "US",
            },
            "items": [line],
            "discounts": [{ "vendor_store_id": vendor.store_id, "code": "TEN" }],
            "totals": { "subtotal": "20.00", "discount_total": "10.00", "total": "10.00" },
        });
        // An active cart and a bought one, which no bad request may touch.
        let bought = client.freeze(&cart_of(&[(product, 1)])).await;
        client.check_out(&fresh_key(), bought).await.data();
        client.freeze(&cart).await;
        crate::support::wait::until("the event is marked", async || {
            let published = "select count(*) from outbox_events where published_at is not null";
            world.market.database.count(published).await == 1
        })
        .await;
        let before = world.market.database.contents().await;
        Self {
            world,
            buyer,
            client,
            cart,
            before,
        }
    }

    /// Sends a body as it is to a route.
    async fn send(&self, method: &Method, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        let request = self
            .client
            .request(method.clone(), path)
            .header("Idempotency-Key", fresh_key())
            .header("Content-Type", "application/json")
            .body(body);
        Client::send(request).await
    }

    /// Sends a cart, which must be refused for its shape; returns the paths that are named.
    async fn put(&self, cart: &Value) -> Vec<String> {
        let reply = self
            .send(&Method::PUT, "/api/v1/cart", cart.to_string())
            .await;
        bad_fields(&reply, &cart.to_string())
    }

    async fn check_out(&self, body: &Value) -> Vec<String> {
        let reply = self
            .send(&Method::POST, "/api/v1/checkout", body.to_string())
            .await;
        bad_fields(&reply, &body.to_string())
    }

    /// Asserts that nothing was written, and that the good cart still works.
    async fn finish(self) {
        assert_eq!(self.world.market.database.contents().await, self.before);
        self.client.freeze(&self.cart).await;
    }
}

fn bad_fields(reply: &Reply, body: &str) -> Vec<String> {
    let got = (reply.status, reply.code());
    assert_eq!(
        got,
        (400, "VALIDATION_ERROR".to_owned()),
        "{body}\n{}",
        reply.text()
    );
    reply.bad_fields()
}
