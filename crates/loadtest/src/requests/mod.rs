//! Requests, made before the test begins, and the supply of them while it runs.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use http_body_util::Full;
use hyper::{
    Method, Uri, Version,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue},
    http,
};
use serde_json::{Value, json};
use uuid::Uuid;

use splitcart::{
    domain::{
        cart::{CURRENCIES, CartLine},
        ids::CartId,
    },
    http::paths::{CART, CHECKOUT, INVENTORY},
};

use super::{carts::Cart, endpoint::Endpoint};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request whose key, and whose cart where the body names one, can be replaced.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    path: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Reads the buyer's cart.
    pub(crate) fn get_cart(token: &str) -> Self {
        let (path, bearer) = (Uri::from_static(CART), bearer(token));
        Self::without_key(Method::GET, path, bearer, Bytes::new())
    }

    /// Freezes a cart.
    pub(crate) fn put_cart(token: &str, cart: &Cart) -> Self {
        let (path, bearer) = (Uri::from_static(CART), bearer(token));
        Self::with_key(Method::PUT, path, bearer, &put_body(cart))
    }

    /// Buys a cart.
    pub(crate) fn check_out(token: &str, cart_id: CartId) -> Self {
        let (path, bearer) = (Uri::from_static(CHECKOUT), bearer(token));
        Self::with_key(Method::POST, path, bearer, &checkout_body(cart_id))
    }

    /// Moves an order or a group.
    pub(crate) fn make_move(bearer: HeaderValue, path: &str, body: &Value) -> Self {
        let path = path.parse().expect("a path with an id is a URI");
        Self::with_key(Method::POST, path, bearer, body)
    }

    /// Counts stock.
    pub(crate) fn count_stock(bearer: HeaderValue, body: &Value) -> Self {
        Self::with_key(Method::PUT, Uri::from_static(INVENTORY), bearer, body)
    }

    fn without_key(method: Method, path: Uri, bearer: HeaderValue, body: Bytes) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::from_iter([(AUTHORIZATION, bearer)]),
            body,
        }
    }

    fn with_key(method: Method, path: Uri, bearer: HeaderValue, body: &Value) -> Self {
        let body = body.to_string().into();
        let mut request = Self::without_key(method, path, bearer, body);
        let json = HeaderValue::from_static("application/json");
        request.headers.insert(CONTENT_TYPE, json);
        request.headers.insert(KEY, new_key());
        request
    }

    /// The request as hyper sends it, in this version of HTTP.
    pub(crate) fn to_http(
        &self,
        endpoint: &Endpoint,
        version: Version,
    ) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        if version == Version::HTTP_2 {
            // The version names the host in the URL.
            *request.uri_mut() = endpoint.url(&self.path);
        } else {
            *request.uri_mut() = self.path.clone();
            request.headers_mut().insert(HOST, endpoint.host().clone());
        }
        request
    }

    /// The Idempotency-Key; none where the method needs none.
    pub(crate) fn key(&self) -> Option<&str> {
        self.headers.get(KEY)?.to_str().ok()
    }

    /// The `Authorization` of the caller.
    pub(crate) fn bearer(&self) -> Option<&HeaderValue> {
        self.headers.get(AUTHORIZATION)
    }

    /// Makes another request of it: the same, under a key that has never been used.
    pub(crate) fn renew_key(&mut self) {
        if let Some(key) = self.headers.get_mut(KEY) {
            *key = new_key();
        }
    }

    /// Makes it the checkout of another cart.
    pub(crate) fn name_cart(&mut self, cart_id: CartId) {
        self.body = checkout_body(cart_id).to_string().into();
    }
}

/// The `Authorization` of a token's owner.
pub fn bearer(token: &str) -> HeaderValue {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    value.expect("a token is visible ASCII")
}

fn new_key() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let key = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(key).expect("a UUID is visible ASCII")
}

/// The body that buys a cart.
pub fn checkout_body(cart_id: CartId) -> Value {
    json!({ "cart_id": cart_id })
}

/// The body that freezes a cart.
pub fn put_body(cart: &Cart) -> Value {
    let item = |line: &CartLine| {
        json!({
            "product_id": line.product_id,
            "vendor_store_id": line.vendor_store_id,
            "qty": line.qty,
            "unit_price": line.price.unit_price,
            "line_total": line.price.total,
        })
    };
    json!({
        "currency": CURRENCIES[0],
        "items": cart.lines.iter().map(item).collect::<Vec<_>>(),
        "totals": cart.totals,
    })
}

/// One unit of a client's work: one request, or two where the second needs the first one's answer.
#[derive(Debug)]
pub enum Job {
    /// Buys a cart.
    CheckOut(Request),
    /// Buys a cart, and moves its orders on.
    Lifecycle(Request),
    /// Decides about an order.
    Decide(Request),
    /// Freezes a cart.
    PutCart(Request),
    /// Reads a cart.
    GetCart(Request),
    /// Freezes a cart and buys it.
    Purchase {
        /// Freezes.
        put: Box<Request>,
        /// Buys, once it names the cart that was frozen.
        check_out: Box<Request>,
    },
}

impl Job {
    const fn is_done_once(&self) -> bool {
        matches!(
            self,
            Self::CheckOut(_) | Self::Lifecycle(_) | Self::Decide(_)
        )
    }
}

/// The jobs that are not taken. A buyer has one request in flight at a time: a job that can be done
/// again comes back only when it is done.
#[derive(Debug)]
pub struct Supply {
    jobs: VecDeque<Job>,
    /// The number of jobs that may still be taken.
    left: u64,
    /// True if a job can be done only once.
    used_up: bool,
}

impl Supply {
    /// All of them, to be taken `count` times.
    pub fn of(jobs: Vec<Job>, count: u64) -> Self {
        Self {
            left: count,
            used_up: jobs.first().is_some_and(Job::is_done_once),
            jobs: jobs.into(),
        }
    }

    /// The next one.
    pub fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front().filter(|_| self.left > 0)?;
        self.left -= 1;
        Some(job)
    }

    /// Puts a job that was done back, if it can be done again.
    pub fn give_back(&mut self, mut job: Job) {
        match &mut job {
            Job::CheckOut(_) | Job::Lifecycle(_) | Job::Decide(_) => return,
            Job::GetCart(_) => {}
            Job::PutCart(put) => put.renew_key(),
            Job::Purchase { put, check_out } => {
                put.renew_key();
                check_out.renew_key();
            }
        }
        self.jobs.push_back(job);
    }

    /// True if there is nothing left to do, now or later.
    pub fn is_over(&self) -> bool {
        self.left == 0 || (self.used_up && self.jobs.is_empty())
    }

    /// True if the supply was over before as many jobs were taken as were asked for.
    pub fn ran_out(&self) -> bool {
        self.left > 0 && self.is_over()
    }
}
