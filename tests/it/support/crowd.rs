//! Many buyers, each with a frozen cart and a key, who check out at once.

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Buyer, Client, Market, Reply, Server, client::fresh_key, wait};

/// A buyer who is about to check out.
#[derive(Clone)]
pub struct Shopper {
    pub buyer: Buyer,
    pub client: Client,
    pub cart_id: Uuid,
    pub key: String,
}

impl Shopper {
    /// A new buyer with this cart.
    pub async fn with_cart(market: &Market, server: &Server, cart: &Value) -> Self {
        let buyer = market.buyer().await;
        let client = server.client(&buyer);
        Self {
            buyer,
            cart_id: client.freeze(cart).await,
            client,
            key: fresh_key(),
        }
    }

    /// One buyer per cart, in the same order.
    pub async fn with_carts(market: &Market, server: &Server, carts: &[Value]) -> Vec<Self> {
        join_all(
            carts
                .iter()
                .map(|cart| Self::with_cart(market, server, cart)),
        )
        .await
    }

    /// The same buyer, cart and key at another server.
    pub fn at(&self, server: &Server) -> Self {
        Self {
            client: server.client(&self.buyer),
            ..self.clone()
        }
    }

    /// The request that buys the cart.
    pub fn request(&self) -> RequestBuilder {
        let body = json!({ "cart_id": self.cart_id });
        self.client.checkout_request(&self.key, &body)
    }

    pub async fn check_out(&self) -> Reply {
        Client::send(self.request()).await
    }

    /// Sends the same request until the answer is final; until then only refusals that allow a retry
    /// may come.
    pub async fn insist(&self) -> Reply {
        let mut last = None;
        wait::until("the retry is answered finally", async || {
            let reply = self.check_out().await;
            let later = is_refused(&reply) || is_in_progress(&reply);
            assert!(later || reply.status == 201, "{}", reply.text());
            last = Some(reply);
            !later
        })
        .await;
        last.unwrap()
    }
}

/// Sends all requests at once; the replies are in the same order.
pub async fn together(requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<Reply> {
    join_all(requests.into_iter().map(Client::send)).await
}

/// All shoppers check out at once.
pub async fn check_out_together(shoppers: &[Shopper]) -> Vec<Reply> {
    together(shoppers.iter().map(Shopper::request)).await
}

/// True for a 503 in the envelope with a `Retry-After`.
pub fn is_refused(reply: &Reply) -> bool {
    if reply.status != 503 {
        return false;
    }
    let code = reply.code();
    assert!(
        ["OVERLOADED", "DEPENDENCY_UNAVAILABLE"].contains(&code.as_str()),
        "{code}"
    );
    let seconds: u32 = reply.header("retry-after").parse().unwrap();
    seconds >= 1
}

/// True for a 409 because the same request is in progress.
pub fn is_in_progress(reply: &Reply) -> bool {
    reply.status == 409 && reply.code() == "IDEMPOTENCY_IN_PROGRESS"
}

/// The statuses of all lines of a checkout.
pub fn line_statuses(reply: &Reply) -> Vec<String> {
    let data = reply.data();
    let orders = data["vendor_orders"].as_array().unwrap().iter();
    orders
        .flat_map(|order| order["items"].as_array().unwrap())
        .map(|item| item["status"].as_str().unwrap().to_owned())
        .collect()
}
