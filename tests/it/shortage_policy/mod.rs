//! The outcome of a checkout when stock is short: by line, filled, by vendor, all or nothing.

mod together;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Client, Product, Reply, World, assert_consistent, client::fresh_key, market::cart_of,
};

/// A cart of three lines: `short` and `beside` of one vendor, `elsewhere` of another. The stock of
/// `short` is then less than the cart's quantity.
struct Wanting {
    world: World,
    client: Client,
    cart_id: Uuid,
    short: Product,
    beside: Product,
    elsewhere: Product,
}

impl Wanting {
    /// A cart with ten units of `short`, of which `left` are available.
    async fn of(left: i32) -> Self {
        let world = World::start().await;
        let client = world.client(&world.market.buyer().await);
        let vendor = world.market.vendor().await;
        let short = world.market.product(vendor, 500, 10).await;
        let beside = world.market.product(vendor, 300, 10).await;
        let elsewhere = world.market.sold_product(100, 10).await;
        let cart = cart_of(&[(short, 10), (beside, 2), (elsewhere, 1)]);
        let cart_id = client.freeze(&cart).await;
        world.market.stock(short, left).await;
        Self {
            world,
            client,
            cart_id,
            short,
            beside,
            elsewhere,
        }
    }

    async fn check_out(&self, policy: &str) -> Reply {
        let body = json!({ "cart_id": self.cart_id, "shortage_policy": policy });
        Client::send(self.client.checkout_request(&fresh_key(), &body)).await
    }

    async fn assert_stock(&self, [short, beside, elsewhere]: [(i32, i32); 3]) {
        let market = &self.world.market;
        assert_eq!(market.stock_of(self.short).await, short);
        assert_eq!(market.stock_of(self.beside).await, beside);
        assert_eq!(market.stock_of(self.elsewhere).await, elsewhere);
        assert_consistent(&market.database).await;
    }

    /// Asserts that the group that is read back equals the answer.
    async fn assert_kept(&self, reply: &Reply) {
        let id = reply.data()["checkout_group_id"].clone();
        let path = format!("/api/v1/checkout-groups/{}", id.as_str().unwrap());
        assert_eq!(self.client.get(&path).await.bytes, reply.bytes);
    }

    /// `(qty, total, status)` of the lines of the first vendor's order.
    fn lines(reply: &Reply) -> Vec<(i64, String, String)> {
        let order = &reply.data()["vendor_orders"][0];
        let lines = order["items"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        lines
            .map(|line| {
                let qty = line["qty"].as_i64().unwrap();
                (qty, text(&line["total"]), text(&line["status"]))
            })
            .collect()
    }
}

fn line(qty: i64, total: &str, status: &str) -> (i64, String, String) {
    (qty, total.to_owned(), status.to_owned())
}

#[tokio::test]
async fn the_line_is_rejected_unless_something_else_is_asked_for() {
    let cart = Wanting::of(7).await;

    let reply = cart.check_out("reject_line").await;

    let expected = [line(10, "50.00", "rejected"), line(2, "6.00", "pending")];
    assert_eq!(
        (reply.status, Wanting::lines(&reply)),
        (201, expected.into())
    );
    cart.assert_stock([(7, 0), (8, 2), (9, 1)]).await;
}

#[tokio::test]
async fn a_fill_splits_the_line_into_what_there_was_and_the_rest() {
    let cart = Wanting::of(7).await;

    let reply = cart.check_out("fill").await;

    let expected = [
        line(7, "35.00", "pending"),
        line(3, "15.00", "rejected"),
        line(2, "6.00", "pending"),
    ];
    assert_eq!(
        (reply.status, Wanting::lines(&reply)),
        (201, expected.into())
    );
    let data = reply.data();
    let order = &data["vendor_orders"][0];
    let [filled, rest] = [&order["items"][0], &order["items"][1]];
    assert_eq!(filled["product_id"], rest["product_id"]);
    assert_ne!(filled["line_item_id"], rest["line_item_id"]);
    assert_eq!(filled["rejection"], json!(null));
    assert_eq!(
        rest["rejection"],
        json!({
            "reason": "insufficient_inventory",
            "message": "Only 7 available: they are reserved, these are not.",
            "available_qty": 7,
            "reserved_qty": 7,
        })
    );
    assert_eq!(order["total"], "41.00");
    assert_eq!(order["payment_intent"]["amount"], "41.00");
    assert_eq!(data["total"], "42.00");
    let rejected = &data["rejected_vendors"][0];
    assert_eq!(
        rejected["rejected_line_item_ids"],
        json!([rest["line_item_id"]])
    );
    assert_eq!(rejected["fully_rejected"], json!(false));
    cart.assert_stock([(0, 7), (8, 2), (9, 1)]).await;
    cart.assert_kept(&reply).await;
}

/// The tier was granted for the whole line, and the part that is filled keeps that price.
#[tokio::test]
async fn a_filled_line_keeps_the_price_of_the_cart() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(1000, 10).await;
    world.market.tier(product, 10, "5").await;
    let mut cart = cart_of(&[(product, 10)]);
    cart["totals"] = json!({ "subtotal": "100.00", "discount_total": "5.00", "total": "95.00" });
    let cart_id = client.freeze(&cart).await;
    world.market.stock(product, 4).await;

    let body = json!({ "cart_id": cart_id, "shortage_policy": "fill" });
    let reply = Client::send(client.checkout_request(&fresh_key(), &body)).await;

    let order = &reply.data()["vendor_orders"][0];
    assert_eq!(order["items"][0]["unit_price"], "9.50");
    assert_eq!(order["items"][0]["discount"], "2.00");
    assert_eq!(order["items"][0]["total"], "38.00");
    assert_eq!(order["items"][1]["discount"], "3.00");
    assert_eq!(order["subtotal"], "40.00");
    assert_eq!(order["total"], "38.00");
    assert_consistent(&world.market.database).await;
}

/// A vendor sells no fewer units than its minimum order quantity, however few are available.
#[tokio::test]
async fn a_fill_below_the_minimum_order_quantity_rejects_the_line() {
    for (left, expected) in [
        (3, vec![line(10, "50.00", "rejected")]),
        (
            4,
            vec![line(4, "20.00", "pending"), line(6, "30.00", "rejected")],
        ),
    ] {
        let world = World::start().await;
        let client = world.client(&world.market.buyer().await);
        let product = world.market.sold_product(500, 10).await;
        world
            .market
            .database
            .run("update products set moq = 4")
            .await;
        let cart_id = client.freeze(&cart_of(&[(product, 10)])).await;
        world.market.stock(product, left).await;

        let body = json!({ "cart_id": cart_id, "shortage_policy": "fill" });
        let reply = Client::send(client.checkout_request(&fresh_key(), &body)).await;

        assert_eq!(Wanting::lines(&reply), expected, "{left}");
        assert_consistent(&world.market.database).await;
    }
}

#[tokio::test]
async fn a_vendor_s_order_goes_through_whole_or_not_at_all() {
    let cart = Wanting::of(9).await;

    let reply = cart.check_out("reject_vendor").await;

    let expected = [line(10, "50.00", "rejected"), line(2, "6.00", "rejected")];
    assert_eq!(
        (reply.status, Wanting::lines(&reply)),
        (201, expected.into())
    );
    let data = reply.data();
    let order = &data["vendor_orders"][0];
    assert_eq!(
        (&order["status"], &order["total"]),
        (&json!("rejected"), &json!("0.00"))
    );
    assert_eq!(order["payment_intent"], json!(null));
    let reason = |nr: usize| order["items"][nr]["rejection"]["reason"].clone();
    assert_eq!(reason(0), "insufficient_inventory");
    assert_eq!(reason(1), "vendor_order_incomplete");
    assert_eq!(data["rejected_vendors"][0]["fully_rejected"], json!(true));
    assert_eq!(data["vendor_orders"][1]["status"], "created_pending");
    assert_eq!(data["total"], "1.00");
    // The stock of the other line was never touched.
    cart.assert_stock([(9, 0), (10, 0), (9, 1)]).await;
    cart.assert_kept(&reply).await;
}

/// Other reasons than stock reject lines, too.
#[tokio::test]
async fn a_product_that_is_gone_rejects_its_vendor_s_order_too() {
    let cart = Wanting::of(10).await;
    let gone = format!(
        "update products set is_active = false where id = '{}'",
        cart.short.id
    );
    cart.world.market.database.run(&gone).await;

    let reply = cart.check_out("reject_vendor").await;

    let data = reply.data();
    let reason = |nr: usize| data["vendor_orders"][0]["items"][nr]["rejection"]["reason"].clone();
    assert_eq!(reason(0), "product_unavailable");
    assert_eq!(reason(1), "vendor_order_incomplete");
    cart.assert_stock([(10, 0), (10, 0), (9, 1)]).await;
}

#[tokio::test]
async fn all_or_nothing_buys_nothing_and_leaves_the_cart_to_be_bought() {
    let cart = Wanting::of(9).await;
    let before = cart.world.market.database.contents().await;

    let reply = cart.check_out("all_or_nothing").await;

    assert_eq!(
        (reply.status, reply.code().as_str()),
        (409, "STOCK_CHANGED")
    );
    assert_eq!(
        reply.json()["error"]["details"]["lines"],
        json!([{
            "product_id": cart.short.id,
            "vendor_store_id": cart.short.vendor.store_id,
            "qty": 10,
            "reason": "insufficient_inventory",
            "message": "Only 9 available; order that many or fewer.",
            "available_qty": 9,
        }])
    );
    assert_eq!(cart.world.market.database.contents().await, before);

    cart.world.market.stock(cart.short, 10).await;
    let reply = cart.check_out("all_or_nothing").await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    cart.assert_stock([(0, 10), (8, 2), (9, 1)]).await;
}

#[tokio::test]
async fn all_or_nothing_names_every_line_that_can_not_be_had() {
    let cart = Wanting::of(9).await;
    let market = &cart.world.market;
    market.lapse_licence(cart.elsewhere.vendor.store_id).await;
    market.stock(cart.beside, 0).await;

    let reply = cart.check_out("all_or_nothing").await;

    assert_eq!(reply.code(), "STOCK_CHANGED");
    let lines = reply.json()["error"]["details"]["lines"].clone();
    let lines = lines.as_array().unwrap().iter();
    let told: Vec<_> = lines
        .map(|line| (line["product_id"].clone(), line["reason"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!(cart.short.id), json!("insufficient_inventory")),
            (json!(cart.beside.id), json!("insufficient_inventory")),
            (json!(cart.elsewhere.id), json!("vendor_license_invalid")),
        ]
    );
    cart.assert_stock([(9, 0), (0, 0), (10, 0)]).await;
}

/// All products are available; only the licence is missing.
#[tokio::test]
async fn all_or_nothing_reserves_nothing_beside_a_line_that_can_not_be_sold() {
    let cart = Wanting::of(10).await;
    let market = &cart.world.market;
    market.lapse_licence(cart.elsewhere.vendor.store_id).await;

    let reply = cart.check_out("all_or_nothing").await;

    assert_eq!(reply.code(), "STOCK_CHANGED");
    cart.assert_stock([(10, 0), (10, 0), (10, 0)]).await;
}

/// The refusal leaves the key free: the same key buys when there is enough.
#[tokio::test]
async fn the_key_of_a_refused_checkout_is_free() {
    let cart = Wanting::of(9).await;
    let body = json!({ "cart_id": cart.cart_id, "shortage_policy": "all_or_nothing" });
    let key = fresh_key();
    let ask = || Client::send(cart.client.checkout_request(&key, &body));
    assert_eq!(ask().await.code(), "STOCK_CHANGED");
    cart.world.market.stock(cart.short, 10).await;

    let bought = ask().await;
    let again = ask().await;

    assert_eq!((bought.status, bought.is_replay()), (201, false));
    assert!(again.is_replay() && again.bytes == bought.bytes);
}

/// The policy is part of the request: another one under the same key is another request.
#[tokio::test]
async fn another_policy_under_the_same_key_is_another_request() {
    let cart = Wanting::of(10).await;
    let key = fresh_key();
    for (policy, status) in [("fill", 201), ("reject_vendor", 409)] {
        let body = json!({ "cart_id": cart.cart_id, "shortage_policy": policy });
        let reply = Client::send(cart.client.checkout_request(&key, &body)).await;
        assert_eq!(reply.status, status, "{policy}");
    }
}

#[tokio::test]
async fn a_fill_under_a_store_discount_adds_up() {
    for (kind, value, off, cart_total, left, total) in [
        ("fixed", "40", "40.00", "10.00", 7, "0.00"),
        ("fixed", "30.5", "30.50", "19.50", 7, "4.50"),
        ("percentage", "33.3333", "16.67", "33.33", 7, "23.33"),
        ("percentage", "100", "50.00", "0.00", 1, "0.00"),
    ] {
        let world = World::start().await;
        let client = world.client(&world.market.buyer().await);
        let product = world.market.sold_product(500, 10).await;
        let vendor = product.vendor;
        world.market.discount(vendor, "SPRING", kind, value).await;
        let mut cart = cart_of(&[(product, 10)]);
        cart["discounts"] = json!([{ "vendor_store_id": vendor.store_id, "code": "spring" }]);
        cart["totals"] = json!({ "subtotal": "50.00", "discount_total": off, "total": cart_total });
        let cart_id = client.freeze(&cart).await;
        world.market.stock(product, left).await;

        let body = json!({ "cart_id": cart_id, "shortage_policy": "fill" });
        let reply = Client::send(client.checkout_request(&fresh_key(), &body)).await;

        let order = &reply.data()["vendor_orders"][0];
        assert_eq!(order["total"], total, "{kind} {value}");
        assert_eq!(order["status"], "created_pending");
        let amount = &order["payment_intent"]["amount"];
        if total == "0.00" {
            assert!(amount.is_null(), "nothing is to be collected");
        } else {
            assert_eq!(amount, total);
        }
        assert_consistent(&world.market.database).await;
    }
}

/// The advice of a rejection works.
#[tokio::test]
async fn nobody_is_told_to_order_fewer_than_are_sold_at_once() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    world
        .market
        .database
        .run("update products set moq = 4")
        .await;
    let cart_id = client.freeze(&cart_of(&[(product, 10)])).await;
    world.market.stock(product, 3).await;

    let body = json!({ "cart_id": cart_id, "shortage_policy": "fill" });
    let reply = Client::send(client.checkout_request(&fresh_key(), &body)).await;

    let data = reply.data();
    assert_eq!(
        data["vendor_orders"][0]["items"][0]["rejection"]["message"],
        "Only 3 available, and no fewer than 4 are sold at once."
    );
    let id = data["checkout_group_id"].as_str().unwrap();
    let read = client.get(&format!("/api/v1/checkout-groups/{id}")).await;
    assert_eq!(read.bytes, reply.bytes);
}
