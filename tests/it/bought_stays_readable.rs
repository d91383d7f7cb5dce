//! Purchases stay readable: groups, orders and the replay of a key need an active member of the store,
//! whatever has become of its licence, state or verification since. Only buying is barred.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Buyer, Client, Reply, World, assert_consistent, client::fresh_key, market::cart_of, wait,
};

/// Changes that bar a store from buying.
const BARRED: [&str; 5] = [
    "update licenses set expires_on = current_date - 2 where store_id = {store}",
    "update licenses set status = 'rejected' where store_id = {store}",
    "delete from licenses where store_id = {store}",
    "update stores set kyc_status = 'suspended' where id = {store}",
    "update stores set state = 'TX' where id = {store}",
];

/// A buyer who has put a cart and bought it.
struct Bought {
    buyer: Buyer,
    client: Client,
    cart: Value,
    put_key: String,
    put: Reply,
    checkout_key: String,
    checkout: Reply,
}

impl Bought {
    async fn of(world: &World) -> Self {
        let buyer = world.market.buyer().await;
        let client = world.client(&buyer);
        let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
        let (put_key, checkout_key) = (fresh_key(), fresh_key());
        let put = client.put_cart(&put_key, &cart).await;
        let id = put.data()["id"].as_str().unwrap().parse().unwrap();
        let checkout = client.check_out(&checkout_key, id).await;
        assert_eq!(checkout.status, 201, "{}", checkout.text());
        Self {
            buyer,
            client,
            cart,
            put_key,
            put,
            checkout_key,
            checkout,
        }
    }

    async fn bar(&self, world: &World, statement: &str) {
        let store = format!("'{}'", self.buyer.store_id);
        let statement = statement.replace("{store}", &store);
        world.market.database.run(&statement).await;
    }

    fn checkout_body(&self) -> Value {
        json!({ "cart_id": self.put.data()["id"] })
    }

    async fn check_out(&self, key: &str) -> Reply {
        Client::send(self.client.checkout_request(key, &self.checkout_body())).await
    }

    async fn assert_first_answers_are_heard(&self, statement: &str) {
        let put = self.client.put_cart(&self.put_key, &self.cart).await;
        let checkout = self.check_out(&self.checkout_key).await;
        for (again, first) in [(put, &self.put), (checkout, &self.checkout)] {
            assert_eq!(again.status, first.status, "{statement}: {}", again.text());
            assert!(again.is_replay(), "{statement}");
            assert_eq!(again.bytes, first.bytes, "{statement}");
        }
    }
}

fn assert_forbidden(reply: &Reply, what: &str) {
    assert_eq!(reply.status, 403, "{what}: {}", reply.text());
    assert_eq!(reply.code(), "FORBIDDEN", "{what}");
}

#[tokio::test]
async fn a_store_that_may_not_buy_any_more_reads_what_it_bought_and_hears_its_first_answers() {
    let world = World::start().await;
    for statement in BARRED {
        let bought = Bought::of(&world).await;
        bought.bar(&world, statement).await;
        let client = &bought.client;

        // From Redis, and then from PostgreSQL.
        bought.assert_first_answers_are_heard(statement).await;
        world.redis.empty().await;
        bought.assert_first_answers_are_heard(statement).await;

        let data = bought.checkout.data();
        let group = data["checkout_group_id"].as_str().unwrap();
        let order = data["vendor_orders"][0]["order_id"].as_str().unwrap();
        let read = client
            .get(&format!("/api/v1/checkout-groups/{group}"))
            .await;
        assert_eq!(read.bytes, bought.checkout.bytes, "{statement}");
        let read = client.get(&format!("/api/v1/orders/{order}")).await;
        assert_eq!(read.status, 200, "{statement}");
        let list = client.get("/api/v1/orders").await;
        assert_eq!(list.data().as_array().unwrap().len(), 1, "{statement}");
    }
}

#[tokio::test]
async fn a_store_that_may_not_buy_any_more_can_do_nothing_else() {
    let world = World::start().await;
    for statement in BARRED {
        let bought = Bought::of(&world).await;
        bought.bar(&world, statement).await;
        let client = &bought.client;
        let waiting = "select count(*) from outbox_events where published_at is null";
        wait::until("its event is published", async || {
            world.market.database.count(waiting).await == 0
        })
        .await;
        let before = world.market.database.contents().await;
        let (body, mut content) = (bought.checkout_body(), bought.cart.clone());
        content.as_object_mut().unwrap().remove("totals");
        let post = async |path: &str, body: &Value| {
            Client::send(client.request(Method::POST, path).json(body)).await
        };

        for (what, reply) in [
            ("PUT", client.put_cart(&fresh_key(), &bought.cart).await),
            ("GET", client.get_cart().await),
            ("quote", post("/api/v1/cart/quote", &content).await),
            ("preview", post("/api/v1/checkout/preview", &body).await),
            ("checkout", bought.check_out(&fresh_key()).await),
            // A store that may not buy does not learn that a body is malformed.
            ("malformed", client.put_cart(&fresh_key(), &json!({})).await),
        ] {
            assert_forbidden(&reply, &format!("{what} after {statement}"));
        }
        assert_eq!(world.market.database.contents().await, before);
    }
    assert_consistent(&world.market.database).await;
}

/// The order is: caller, key, licence, body.
#[tokio::test]
async fn a_key_that_was_used_is_judged_before_the_licence_and_after_the_caller() {
    let world = World::start().await;
    let bought = Bought::of(&world).await;
    bought.bar(&world, BARRED[0]).await;
    let mut other = bought.cart.clone();
    other["currency"] = json!("USD");

    for _ in ["Redis", "PostgreSQL"] {
        let reused = bought.client.put_cart(&bought.put_key, &other).await;
        assert_eq!(reused.code(), "IDEMPOTENCY_KEY_REUSED");
        let mut body = bought.checkout_body();
        body["payment_method"] = json!("cash");
        let request = bought.client.checkout_request(&bought.checkout_key, &body);
        assert_eq!(Client::send(request).await.code(), "IDEMPOTENCY_KEY_REUSED");
        world.redis.empty().await;
    }
    let no_key = bought.client.request(Method::PUT, "/api/v1/cart");
    let no_key = Client::send(no_key.json(&bought.cart)).await;
    assert_eq!(no_key.code(), "VALIDATION_ERROR");

    world
        .market
        .database
        .run("update store_memberships set status = 'removed'")
        .await;
    for _ in ["PostgreSQL", "Redis"] {
        let put = bought.client.put_cart(&bought.put_key, &bought.cart).await;
        assert_forbidden(&put, "a PUT's key");
        assert_forbidden(
            &bought.check_out(&bought.checkout_key).await,
            "a checkout's key",
        );
    }
}
