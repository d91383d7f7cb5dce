//! Requests as bytes, made before the test begins, and the supply of them while it runs.

use std::collections::VecDeque;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    domain::{
        cart::{CURRENCIES, CartLine},
        ids::CartId,
    },
    http::paths::{CART, CHECKOUT},
};

use super::carts::Cart;

/// A UUID as text.
const UUID_BYTES: usize = 36;

/// A request whose key, and whose cart where the body names one, can be written over.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    key_at: Option<usize>,
    cart_at: Option<usize>,
}

impl Request {
    /// Reads the buyer's cart.
    pub fn get_cart(host: &str, token: &str) -> Self {
        Self {
            bytes: format!("GET {CART} HTTP/1.1\r\n{}\r\n", head(host, token)).into_bytes(),
            key_at: None,
            cart_at: None,
        }
    }

    /// Freezes a cart.
    pub fn put_cart(host: &str, token: &str, cart: &Cart) -> Self {
        let body = put_body(cart).to_string();
        Self::with_key("PUT", CART, host, token, &body)
    }

    /// Buys a cart.
    pub fn check_out(host: &str, token: &str, cart_id: CartId) -> Self {
        let body = checkout_body(cart_id).to_string();
        let mut request = Self::with_key("POST", CHECKOUT, host, token, &body);
        request.cart_at = Some(request.bytes.len() - 2 - UUID_BYTES);
        request
    }

    fn with_key(method: &str, path: &str, host: &str, token: &str, body: &str) -> Self {
        let mut bytes = format!(
            "{method} {path} HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\
             idempotency-key: ",
            head(host, token),
            body.len()
        )
        .into_bytes();
        let key_at = bytes.len();
        bytes.extend_from_slice(&[b'0'; UUID_BYTES]);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(body.as_bytes());
        let mut request = Self {
            bytes,
            key_at: Some(key_at),
            cart_at: None,
        };
        request.renew_key();
        request
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The Idempotency-Key; none where the method needs none.
    pub fn key(&self) -> Option<&str> {
        let at = self.key_at?;
        std::str::from_utf8(&self.bytes[at..at + UUID_BYTES]).ok()
    }

    /// Makes another request of it: the same, under a key that nobody has used.
    pub fn renew_key(&mut self) {
        if let Some(at) = self.key_at {
            let key = Uuid::now_v7().hyphenated();
            key.encode_lower(&mut self.bytes[at..at + UUID_BYTES]);
        }
    }

    /// Names another cart.
    pub fn name_cart(&mut self, cart_id: CartId) {
        let at = self.cart_at.expect("only a checkout names a cart");
        let text = cart_id.uuid().hyphenated();
        text.encode_lower(&mut self.bytes[at..at + UUID_BYTES]);
    }
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

fn head(host: &str, token: &str) -> String {
    format!("host: {host}\r\nauthorization: Bearer {token}\r\n")
}

/// What a client does: one request, or two where the second needs the first one's answer.
#[derive(Debug)]
pub enum Job {
    /// Buys a cart.
    CheckOut(Request),
    /// Freezes a cart.
    PutCart(Request),
    /// Reads a cart.
    GetCart(Request),
    /// Freezes a cart and buys it.
    Purchase {
        /// Freezes.
        put: Request,
        /// Buys, once it names the cart that was frozen.
        check_out: Request,
    },
}

/// The jobs that nobody has taken yet. A buyer is at one place at a time: a job that can be done
/// again comes back only when it is done.
#[derive(Debug)]
pub struct Supply {
    jobs: VecDeque<Job>,
    /// How many may still be taken.
    left: u64,
    /// Whether a job can be done once only.
    used_up: bool,
}

impl Supply {
    /// All of them, to be taken `count` times.
    pub fn of(jobs: Vec<Job>, count: u64) -> Self {
        Self {
            left: count,
            used_up: matches!(jobs.first(), Some(Job::CheckOut(_))),
            jobs: jobs.into(),
        }
    }

    /// The next one.
    pub fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front().filter(|_| self.left > 0)?;
        self.left -= 1;
        Some(job)
    }

    /// A job is done: what can be done again is put back.
    pub fn give_back(&mut self, mut job: Job) {
        match &mut job {
            Job::CheckOut(_) => return,
            Job::GetCart(_) => {}
            Job::PutCart(put) => put.renew_key(),
            Job::Purchase { put, check_out } => {
                put.renew_key();
                check_out.renew_key();
            }
        }
        self.jobs.push_back(job);
    }

    /// Whether there is nothing left to do, now or later.
    pub fn is_over(&self) -> bool {
        self.left == 0 || (self.used_up && self.jobs.is_empty())
    }

    /// Whether it is over before so many were taken as were asked for.
    pub fn ran_out(&self) -> bool {
        self.left > 0 && self.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        String::from_utf8(request.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_checkout_names_its_cart_and_another_one_when_told_so() {
        let [one, other] = [Uuid::now_v7(), Uuid::now_v7()].map(CartId::new);
        let mut request = Request::check_out("shop:80", "token", one);
        let before = text(&request);
        assert!(before.starts_with("POST /api/v1/checkout HTTP/1.1\r\nhost: shop:80\r\n"));
        assert!(before.ends_with(&format!("\r\n\r\n{{\"cart_id\":\"{one}\"}}")));
        request.name_cart(other);
        assert_eq!(
            text(&request),
            before.replace(&one.to_string(), &other.to_string())
        );
    }

    #[test]
    fn a_renewed_key_changes_nothing_else() {
        let mut request = Request::check_out("shop:80", "token", CartId::new(Uuid::nil()));
        let key = |text: &str| {
            let (_, rest) = text.split_once("idempotency-key: ").unwrap();
            rest[..UUID_BYTES].to_owned()
        };
        let before = text(&request);
        request.renew_key();
        let after = text(&request);
        assert_ne!(key(&before), key(&after));
        assert_eq!(
            before.replace(&key(&before), ""),
            after.replace(&key(&after), "")
        );
    }

    #[test]
    fn a_checkout_is_done_once_and_a_cart_is_read_again_and_again() {
        let checkouts = || vec![Job::CheckOut(Request::get_cart("a", "b"))];
        let mut supply = Supply::of(checkouts(), 5);
        let job = supply.take().unwrap();
        supply.give_back(job);
        assert!(supply.take().is_none() && supply.ran_out());

        let mut supply = Supply::of(vec![Job::GetCart(Request::get_cart("a", "b"))], 2);
        let job = supply.take().unwrap();
        assert!(
            supply.take().is_none() && !supply.is_over(),
            "the buyer is busy"
        );
        supply.give_back(job);
        let job = supply.take().unwrap();
        supply.give_back(job);
        assert!(supply.take().is_none() && supply.is_over() && !supply.ran_out());
    }
}
