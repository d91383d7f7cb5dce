//! Purchase limits: how many of a product a buyer store may have, in carts, previews and checkouts.

mod counted;
mod crowds;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Market, Product, Reply, World, assert_consistent,
    client::fresh_key,
    market::{cart_of, item},
};

/// Limits a product. The audit believes a limit that the product has had for an hour.
async fn limit(market: &Market, product: Product, qty: i32, days: Option<i32>) {
    let days = days.map_or("null".to_owned(), |days| days.to_string());
    let update = format!(
        "update products
         set buyer_limit_qty = {qty}, buyer_limit_days = {days}, updated_at = now() - interval '2 hours'
         where id = '{}'",
        product.id
    );
    market.database.run(&update).await;
}

/// A product of which a store may have ten, and a buyer who may have bought some of them.
struct Limited {
    world: World,
    buyer: Buyer,
    client: Client,
    product: Product,
}

impl Limited {
    async fn after_buying(qty: i32) -> Self {
        Self::at(World::start().await, qty, None).await
    }

    async fn within_days(days: i32, bought: i32) -> Self {
        Self::at(World::start().await, bought, Some(days)).await
    }

    async fn at(world: World, bought: i32, days: Option<i32>) -> Self {
        let product = world.market.sold_product(500, 100).await;
        limit(&world.market, product, 10, days).await;
        let buyer = world.market.buyer().await;
        let client = world.client(&buyer);
        let limited = Self {
            world,
            buyer,
            client,
            product,
        };
        if bought > 0 {
            let reply = limited.buy(bought, "reject_line").await;
            assert_eq!(lines(&reply), [(bought.into(), "pending".to_owned())]);
        }
        limited
    }

    async fn freeze(&self, qty: i32) -> Uuid {
        self.client.freeze(&cart_of(&[(self.product, qty)])).await
    }

    /// Buys units in a cart of their own.
    async fn buy(&self, qty: i32, policy: &str) -> Reply {
        let cart_id = self.freeze(qty).await;
        self.check_out(cart_id, policy).await
    }

    async fn check_out(&self, cart_id: Uuid, policy: &str) -> Reply {
        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });
        Client::send(self.client.checkout_request(&fresh_key(), &body)).await
    }

    /// Asserts how much of the product is reserved, and that the audit finds nothing.
    async fn assert_reserved(&self, qty: i32) {
        let stock = self.world.market.stock_of(self.product).await;
        assert_eq!(stock, (100 - qty, qty));
        assert_consistent(&self.world.market.database).await;
    }
}

/// `(qty, status)` of all lines of a checkout or a preview.
fn lines(reply: &Reply) -> Vec<(i64, String)> {
    let data = reply.data();
    let orders = data["vendor_orders"].as_array().unwrap().iter();
    orders
        .flat_map(|order| order["items"].as_array().unwrap())
        .map(|line| {
            let status = line["status"].as_str().unwrap().to_owned();
            (line["qty"].as_i64().unwrap(), status)
        })
        .collect()
}

fn line(qty: i64, status: &str) -> (i64, String) {
    (qty, status.to_owned())
}

/// The rejection of a line of the first order.
fn rejection(reply: &Reply, line: usize) -> Value {
    reply.data()["vendor_orders"][0]["items"][line]["rejection"].clone()
}

fn over_limit(bought_qty: i64) -> Value {
    json!({
        "reason": "purchase_limit_reached",
        "message":
            format!("Your store may have 10 of this product, and has {bought_qty} already."),
        "available_qty": null,
        "limit_qty": 10,
        "bought_qty": bought_qty,
    })
}

#[tokio::test]
async fn a_second_cart_over_the_limit_is_rejected_with_the_figures() {
    let limited = Limited::after_buying(6).await;

    let reply = limited.buy(5, "reject_line").await;

    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(lines(&reply), [line(5, "rejected")]);
    assert_eq!(rejection(&reply, 0), over_limit(6));
    let order = &reply.data()["vendor_orders"][0];
    assert_eq!(order["status"], "rejected");
    assert_eq!(order["total"], "0.00");
    let id = reply.data()["checkout_group_id"].clone();
    let path = format!("/api/v1/checkout-groups/{}", id.as_str().unwrap());
    assert_eq!(limited.client.get(&path).await.bytes, reply.bytes);
    let label = r#"splitcart_reservations_total{outcome="purchase_limit_reached"}"#;
    assert_eq!(limited.world.server.metric(label).await, 1.0);
    limited.assert_reserved(6).await;
    // What the limit leaves can be had, to the last unit.
    let reply = limited.buy(4, "reject_line").await;
    assert_eq!(lines(&reply), [line(4, "pending")]);
    assert_eq!(
        rejection(&limited.buy(1, "reject_line").await, 0),
        over_limit(10)
    );
    limited.assert_reserved(10).await;
}

#[tokio::test]
async fn the_limit_is_that_of_a_store_and_not_of_a_person() {
    let limited = Limited::after_buying(10).await;
    let market = &limited.world.market;
    let colleague = market.colleague(&limited.buyer, "owner").await;
    let client = limited.world.client(&colleague);
    let stranger = limited.world.client(&market.buyer().await);
    for (client, status) in [(client, "rejected"), (stranger, "pending")] {
        let cart_id = client.freeze(&cart_of(&[(limited.product, 10)])).await;

        let reply = client.check_out(&fresh_key(), cart_id).await;

        assert_eq!(lines(&reply), [line(10, status)]);
    }
    limited.assert_reserved(20).await;
}

#[tokio::test]
async fn a_fill_reserves_what_the_limit_leaves() {
    let limited = Limited::after_buying(6).await;

    let reply = limited.buy(9, "fill").await;

    assert_eq!(lines(&reply), [line(4, "pending"), line(5, "rejected")]);
    let mut expected = over_limit(6);
    expected["reserved_qty"] = json!(4);
    expected["message"] = json!(
        "Your store may have 10 of this product, and had 6 already: 4 are reserved, these are not."
    );
    assert_eq!(rejection(&reply, 1), expected);
    assert_eq!(reply.data()["total"], "20.00");
    limited.assert_reserved(10).await;
}

#[tokio::test]
async fn a_fill_says_which_of_stock_and_limit_was_short() {
    for (left, reason) in [(3, "insufficient_inventory"), (4, "purchase_limit_reached")] {
        let limited = Limited::after_buying(6).await;
        let cart_id = limited.freeze(9).await;
        limited.world.market.stock(limited.product, left).await;

        let reply = limited.check_out(cart_id, "fill").await;

        let filled = i64::from(left);
        let expected = [line(filled, "pending"), line(9 - filled, "rejected")];
        assert_eq!(lines(&reply), expected);
        assert_eq!(rejection(&reply, 1)["reason"], reason);
        assert_consistent(&limited.world.market.database).await;
    }
}

#[tokio::test]
async fn a_fill_reserves_no_fewer_than_are_sold_at_once() {
    let limited = Limited::after_buying(6).await;
    let moq = "update products set moq = 5";
    limited.world.market.database.run(moq).await;

    let reply = limited.buy(9, "fill").await;

    assert_eq!(lines(&reply), [line(9, "rejected")]);
    assert_eq!(rejection(&reply, 0), over_limit(6));
    limited.assert_reserved(6).await;
}

#[tokio::test]
async fn a_whole_vendor_is_rejected_for_one_line_over_its_limit() {
    let limited = Limited::after_buying(6).await;
    let market = &limited.world.market;
    let beside = market.product(limited.product.vendor, 300, 10).await;
    let cart = cart_of(&[(limited.product, 5), (beside, 2)]);
    let cart_id = limited.client.freeze(&cart).await;

    let reply = limited.check_out(cart_id, "reject_vendor").await;

    assert_eq!(lines(&reply), [line(5, "rejected"), line(2, "rejected")]);
    assert_eq!(rejection(&reply, 0), over_limit(6));
    assert_eq!(rejection(&reply, 1)["reason"], "vendor_order_incomplete");
    assert_eq!(market.stock_of(beside).await, (10, 0));
    limited.assert_reserved(6).await;
}

#[tokio::test]
async fn all_or_nothing_is_refused_with_the_line_over_its_limit() {
    let limited = Limited::after_buying(6).await;
    let market = &limited.world.market;
    let beside = market.sold_product(300, 10).await;
    let cart = cart_of(&[(limited.product, 5), (beside, 2)]);
    let cart_id = limited.client.freeze(&cart).await;

    let reply = limited.check_out(cart_id, "all_or_nothing").await;

    assert_eq!(
        (reply.status, reply.code().as_str()),
        (409, "STOCK_CHANGED")
    );
    let expected = json!([{
        "product_id": limited.product.id,
        "vendor_store_id": limited.product.vendor.store_id,
        "qty": 5,
        "reason": "purchase_limit_reached",
        "message": "Your store may have 10 of this product, and has 6 already.",
        "available_qty": null,
    }]);
    assert_eq!(reply.json()["error"]["details"]["lines"], expected);
    assert_eq!(market.stock_of(beside).await, (10, 0));
    limited.assert_reserved(6).await;
}

/// What was bought before is no matter of a PUT, because it may be canceled until the checkout.
#[tokio::test]
async fn a_cart_over_the_limit_by_itself_is_refused_with_everything_else() {
    let limited = Limited::after_buying(6).await;
    limited.freeze(10).await;
    let product = limited.product;
    let database = &limited.world.market.database;
    database.run("update products set max_qty = 10").await;
    let mut cart = cart_of(&[(product, 11)]);
    cart["totals"]["total"] = json!("1.00");
    let violation = |code: &str| {
        json!({
            "code": code, "path": "/items/0/qty", "product_id": product.id,
            "vendor_store_id": product.vendor.store_id, "expected": 10, "actual": 11,
        })
    };

    let refused = limited.client.put_cart(&fresh_key(), &cart).await;
    let content = json!({ "items": [item(product, 11)] });
    let quote = limited.client.request(Method::POST, "/api/v1/cart/quote");
    let quoted = Client::send(quote.json(&content)).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (422, "CART_INVALID")
    );
    let violations = refused.json()["error"]["details"]["violations"].clone();
    assert_eq!(violations[0], violation("max_qty_exceeded"));
    assert_eq!(violations[1], violation("purchase_limit_reached"));
    assert_eq!(violations[2]["code"], "total_mismatch");
    assert_eq!(quoted.status, 200, "{}", quoted.text());
    let violations = &quoted.data()["violations"];
    assert_eq!(violations[1], violation("purchase_limit_reached"));
}

#[tokio::test]
async fn a_preview_knows_the_limit() {
    for policy in ["reject_line", "fill"] {
        let limited = Limited::after_buying(6).await;
        let cart_id = limited.freeze(7).await;
        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });
        let path = "/api/v1/checkout/preview";

        let foreseen = limited.client.request(Method::POST, path).json(&body);
        let foreseen = Client::send(foreseen).await;

        assert_eq!(foreseen.status, 200, "{}", foreseen.text());
        let done = limited.check_out(cart_id, policy).await;
        assert_eq!(lines(&foreseen), lines(&done), "{policy}");
        let last = lines(&done).len() - 1;
        assert_eq!(rejection(&foreseen, last), rejection(&done, last));
        assert_eq!(
            rejection(&done, last)["reason"],
            "purchase_limit_reached",
            "{policy}"
        );
    }
}
