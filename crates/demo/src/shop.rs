//! A client of the API, as a shop front would be one.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use splitcart::{
    cli::token,
    config::Config,
    domain::ids::{ProductId, UserId},
};

use crate::db::Offer;

/// The lifetime of the demo's tokens.
const TOKEN_GOOD_FOR: Duration = Duration::from_hours(24);

/// A buyer's or a vendor's person in front of the API.
pub(super) struct Shop {
    http: Client,
    base: String,
    pub(super) token: String,
}

/// An answer of the API.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) replayed: bool,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).context("the API answers in JSON")
    }

    /// The body's `data`, if the status is the expected one.
    pub(super) fn data(&self, expected: u16) -> anyhow::Result<Value> {
        if self.status != expected {
            let body = String::from_utf8_lossy(&self.body);
            bail!("expected {expected}, got {}: {body}", self.status);
        }
        Ok(self.json()?["data"].clone())
    }
}

impl Shop {
    /// As a person who acts for a store.
    pub(super) fn enter(
        config: &Config,
        base: &str,
        user: UserId,
        store: Uuid,
    ) -> anyhow::Result<Self> {
        let token = token::issue(config, user.uuid(), store, TOKEN_GOOD_FOR)?;
        Ok(Self {
            http: Client::new(),
            base: base.to_owned(),
            token,
        })
    }

    pub(super) async fn put_cart(&self, cart: &Value) -> anyhow::Result<Answer> {
        let key = Uuid::now_v7().to_string();
        let request = self.request(Method::PUT, "/api/v1/cart");
        send(request.header("Idempotency-Key", key).json(cart)).await
    }

    /// Freezes a cart whose totals are not known yet: the first answer says which are right.
    pub(super) async fn freeze(&self, mut cart: Value) -> anyhow::Result<(Value, Value)> {
        let totals = right_totals(&self.put_cart(&cart).await?)?;
        cart["totals"] = totals;
        let frozen = self.put_cart(&cart).await?.data(200)?;
        Ok((cart, frozen))
    }

    pub(super) async fn check_out(&self, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, "/api/v1/checkout");
        send(request.header("Idempotency-Key", key).json(body)).await
    }

    /// Decides about an order; the order afterwards.
    pub(super) async fn decide(&self, order: &Value, body: &Value) -> anyhow::Result<Value> {
        self.move_order(order, "decision", body).await
    }

    /// Moves an order; the order afterwards.
    pub(super) async fn move_order(
        &self,
        order: &Value,
        name: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let id = order["order_id"].as_str().context("an order has an id")?;
        let key = Uuid::now_v7().to_string();
        let request = self.request(Method::POST, &format!("/api/v1/orders/{id}/{name}"));
        let request = request.header("Idempotency-Key", key).json(body);
        send(request).await?.data(200)
    }

    /// The stock of one of the vendor's own products.
    pub(super) async fn stock(&self, product_id: ProductId) -> anyhow::Result<Value> {
        let path = format!("/api/v1/inventory?product_id={product_id}");
        let rows = send(self.request(Method::GET, &path)).await?.data(200)?;
        let row = rows.get(0).context("the vendor has the product")?;
        Ok(row.clone())
    }

    /// Adds an endpoint of webhooks; its id and its secret.
    pub(super) async fn add_endpoint(&self, url: &str) -> anyhow::Result<(String, String)> {
        let request = self.request(Method::POST, "/api/v1/webhook-endpoints");
        let body = json!({ "url": url, "event_types": ["vendor_order_created"] });
        let endpoint = send(request.json(&body)).await?.data(201)?;
        let text = |name: &str| endpoint[name].as_str().unwrap_or_default().to_owned();
        Ok((text("id"), text("secret")))
    }

    /// Deletes an endpoint of webhooks.
    pub(super) async fn delete_endpoint(&self, id: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/webhook-endpoints/{id}");
        let answer = send(self.request(Method::DELETE, &path)).await?;
        anyhow::ensure!(answer.status == 204, "the endpoint is deleted");
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }
}

async fn send(request: RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let replayed = response.headers().contains_key("idempotency-replayed");
    Ok(Answer {
        status,
        replayed,
        body: response.bytes().await?.to_vec(),
    })
}

/// A cart of offers, each with its vendor's discount code, with wrong totals.
pub(super) fn unpriced_cart(lines: &[(&Offer, i32)]) -> Value {
    let item = |(offer, qty): &(&Offer, i32)| {
        json!({
            "product_id": offer.product_id,
            "vendor_store_id": offer.vendor_store_id,
            "qty": qty,
        })
    };
    let discount = |(offer, _): &(&Offer, i32)| {
        let code = offer.discount_code.as_ref()?;
        Some(json!({ "vendor_store_id": offer.vendor_store_id, "code": code }))
    };
    json!({
        "items": lines.iter().map(item).collect::<Vec<_>>(),
        "discounts": lines.iter().filter_map(discount).collect::<Vec<_>>(),
        "totals": { "subtotal": "0.00", "discount_total": "0.00", "total": "0.00" },
    })
}

fn right_totals(refusal: &Answer) -> anyhow::Result<Value> {
    let body = refusal.json()?;
    let violations = body["error"]["details"]["violations"].as_array().cloned();
    let mut totals = json!({ "subtotal": "0.00", "discount_total": "0.00", "total": "0.00" });
    for violation in violations.with_context(|| format!("a refusal, not {body}"))? {
        let path = violation["path"].as_str().unwrap_or_default();
        match path.strip_prefix("/totals/") {
            Some(field) => totals[field] = violation["expected"].clone(),
            None => bail!("the demo's own cart breaks a rule: {violation}"),
        }
    }
    Ok(totals)
}
