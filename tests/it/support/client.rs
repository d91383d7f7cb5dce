//! A client of the public API.

use std::{path::Path, time::Duration};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Server, contract};

/// An HTTP client of one caller. Clones share the connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// A complete reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The body's `data`; the reply must be a success.
    pub fn data(&self) -> Value {
        assert!(self.status < 300, "{}: {}", self.status, self.text());
        self.json()["data"].clone()
    }

    /// The error's code; the reply must be an error in the envelope.
    pub fn code(&self) -> String {
        let error = &self.json()["error"];
        assert_eq!(
            error["request_id"],
            self.header("x-request-id"),
            "{}",
            self.text()
        );
        assert!(
            error["message"].as_str().is_some_and(|it| !it.is_empty()),
            "{}",
            self.text()
        );
        error["code"].as_str().unwrap().to_owned()
    }

    /// The codes of `details.violations`, in their order.
    pub fn violations(&self) -> Vec<String> {
        let violations = self.json()["error"]["details"]["violations"].clone();
        let code = |violation: &Value| violation["code"].as_str().unwrap().to_owned();
        violations
            .as_array()
            .unwrap_or_else(|| panic!("{}", self.text()))
            .iter()
            .map(code)
            .collect()
    }

    /// The paths of `details.fields`, in their order.
    pub fn bad_fields(&self) -> Vec<String> {
        let fields = self.json()["error"]["details"]["fields"].clone();
        let path = |field: &Value| field["path"].as_str().unwrap().to_owned();
        fields
            .as_array()
            .unwrap_or_else(|| panic!("{}", self.text()))
            .iter()
            .map(path)
            .collect()
    }

    /// A header, or the empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// True for a repeated answer.
    pub fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The time for which an unused connection is kept: shorter than the server keeps one that was opened in
/// advance (`http.head_ms_max`), so that no request meets its end.
const KEPT_IDLE: Duration = Duration::from_secs(5);

impl Client {
    pub fn new(base: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().pool_idle_timeout(KEPT_IDLE);
        Self {
            http: http.build().unwrap(),
            base: base.to_owned(),
            token,
        }
    }

    /// A client of what listens on a Unix socket.
    pub fn by_socket(socket: &Path, token: String) -> Self {
        let http = reqwest::Client::builder().unix_socket(socket);
        Self {
            http: http.build().unwrap(),
            base: "http://localhost".to_owned(),
            token: Some(token),
        }
    }

    /// The same caller at another server.
    pub fn on(&self, server: &Server) -> Self {
        Self {
            base: server.http.clone(),
            ..self.clone()
        }
    }

    /// The same client with another token, or none.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// A request that has only the token, to be completed and sent by [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole reply.
    pub async fn send(request: reqwest::RequestBuilder) -> Reply {
        Self::try_send(request).await.unwrap()
    }

    /// Like [`Client::send`], for servers that may die in between. Every answer must be as documented.
    pub async fn try_send(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
        let (http, request) = request.build_split();
        let request = request?;
        let (method, url) = (request.method().clone(), request.url().clone());
        let reply = http.execute(request).await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let reply = Reply {
            status,
            headers,
            bytes: reply.bytes().await?.to_vec(),
        };
        contract::check(&method, url.path(), &reply);
        Ok(reply)
    }

    /// `PUT /api/v1/cart` under a key.
    pub async fn put_cart(&self, key: &str, cart: &Value) -> Reply {
        Self::send(self.put_cart_request(key, cart)).await
    }

    /// The request of [`Client::put_cart`].
    pub fn put_cart_request(&self, key: &str, cart: &Value) -> reqwest::RequestBuilder {
        self.request(Method::PUT, "/api/v1/cart")
            .header("Idempotency-Key", key)
            .json(cart)
    }

    /// Freezes a cart under a fresh key, which must succeed; returns its id.
    pub async fn freeze(&self, cart: &Value) -> Uuid {
        let reply = self.put_cart(&fresh_key(), cart).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.data()["id"].as_str().unwrap().parse().unwrap()
    }

    /// `GET /api/v1/cart`.
    pub async fn get_cart(&self) -> Reply {
        self.get("/api/v1/cart").await
    }

    /// `GET` of a path.
    pub async fn get(&self, path: &str) -> Reply {
        Self::send(self.request(Method::GET, path)).await
    }

    /// `POST /api/v1/checkout` under a key, paid in cash.
    pub async fn check_out(&self, key: &str, cart_id: Uuid) -> Reply {
        Self::send(self.checkout_request(key, &json!({ "cart_id": cart_id }))).await
    }

    /// The request of a checkout with any body.
    pub fn checkout_request(&self, key: &str, body: &Value) -> reqwest::RequestBuilder {
        self.request(Method::POST, "/api/v1/checkout")
            .header("Idempotency-Key", key)
            .json(body)
    }
}

/// A key that was never used.
pub fn fresh_key() -> String {
    Uuid::now_v7().to_string()
}
