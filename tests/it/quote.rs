//! `POST /api/v1/cart/quote`: the cart that a PUT would freeze, without any effect; and the examples of
//! `docs/pricing.md`.

use std::{collections::HashMap, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Client, Market, Product, Reply, Vendor, World,
    client::fresh_key,
    market::{cart_of, item, money},
};

async fn quote(client: &Client, content: &Value) -> Reply {
    let request = client.request(Method::POST, "/api/v1/cart/quote");
    Client::send(request.json(content)).await
}

/// A cart without its totals.
fn content_of(cart: &Value) -> Value {
    let mut content = cart.clone();
    content.as_object_mut().unwrap().remove("totals");
    content
}

/// The fields that a quote and a cart have in common.
fn priced(data: &Value) -> Value {
    let mut items = data["items"].clone();
    for item in items.as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("id");
    }
    json!({ "currency": data["currency"], "items": items, "vendor_groups": data["vendor_groups"] })
}

#[tokio::test]
async fn a_quote_says_what_a_put_of_its_totals_then_freezes_and_writes_nothing() {
    let world = World::start().await;
    let market = &world.market;
    let buyer = market.buyer().await;
    let (client, viewer) = (
        world.client(&buyer),
        world.client(&market.colleague(&buyer, "viewer").await),
    );
    // Prices, tiers and codes that leave something to be rounded.
    for round in 1..=12_i64 {
        let mut content = json!({ "items": [], "discounts": [] });
        for nr in 1..=3 {
            let product = market.sold_product(101 * round + 7 * nr, 500).await;
            market.tier(product, 5, &format!("{round}.3")).await;
            market
                .tier(product, 20, &format!("{}.75", 20 + round))
                .await;
            let qty = i32::try_from(round * nr).unwrap();
            content["items"]
                .as_array_mut()
                .unwrap()
                .push(item(product, qty));
            if nr == 2 {
                let (kind, value) = if round % 2 == 0 {
                    ("percentage", "12.5")
                } else {
                    ("fixed", "3.33")
                };
                market.discount(product.vendor, "CODE", kind, value).await;
                content["discounts"] =
                    json!([{ "vendor_store_id": product.vendor.store_id, "code": " code" }]);
            }
        }
        let before = market.database.contents().await;

        let quoted = quote(&viewer, &content).await;

        assert_eq!(quoted.status, 200, "{}", quoted.text());
        assert_eq!(market.database.contents().await, before);
        let quoted = quoted.data();
        assert_eq!(quoted["violations"], json!([]));
        let mut cart = content;
        cart["totals"] = quoted["totals"].clone();
        for (item, line) in cart["items"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .zip(quoted["items"].as_array().unwrap())
        {
            item["unit_price"] = line["unit_price"].clone();
            item["line_total"] = line["line_total"].clone();
        }
        let frozen = client.put_cart(&fresh_key(), &cart).await;
        assert_eq!(frozen.status, 200, "{}", frozen.text());
        assert_eq!(priced(&quoted), priced(&frozen.data()));
    }
}

#[tokio::test]
async fn a_quote_has_the_violations_of_the_put_and_prices_what_can_be_priced() {
    let world = World::start().await;
    let market = &world.market;
    let client = world.client(&market.buyer().await);
    let short = market.sold_product(500, 3).await;
    let inactive = market.sold_product(300, 9).await;
    let other = market.sold_product(200, 9).await;
    let lapsed = market.sold_product(100, 9).await;
    market.lapse_licence(lapsed.vendor.store_id).await;
    let inactivate = format!(
        "update products set is_active = false where id = '{}'",
        inactive.id
    );
    market.database.run(&inactivate).await;
    let mut wrong = item(other, 1);
    wrong["unit_price"] = json!("9.99");
    wrong["line_total"] = json!("9.98");
    let content = json!({
        "currency": "EUR",
        "items": [item(short, 4), item(inactive, 1), wrong, item(lapsed, 2)],
        "discounts": [{ "vendor_store_id": short.vendor.store_id, "code": "NOTHING" }],
    });

    let quoted = quote(&client, &content).await;

    assert_eq!(quoted.status, 200, "{}", quoted.text());
    let quoted = quoted.data();
    assert_eq!(
        quoted["totals"],
        json!({
            "subtotal": money(4 * 500 + 300 + 200 + 2 * 100), "discount_total": "0.00", "total": money(2700),
        })
    );
    assert_eq!(quoted["items"].as_array().unwrap().len(), 4);
    let mut cart = content;
    cart["totals"] = quoted["totals"].clone();
    let refused = client.put_cart(&fresh_key(), &cart).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let violations = &refused.json()["error"]["details"]["violations"];
    assert_eq!(&quoted["violations"], violations);
    assert_eq!(violations.as_array().unwrap().len(), 7, "{violations}");
}

#[tokio::test]
async fn a_line_that_can_t_be_priced_leaves_no_totals_and_the_others_their_places() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 9).await;
    let mut unknown = item(product, 1);
    unknown["product_id"] = json!(uuid::Uuid::now_v7());
    let mut cart = cart_of(&[(product, 2)]);
    cart["items"].as_array_mut().unwrap().insert(0, unknown);

    let quoted = quote(&client, &content_of(&cart)).await.data();

    assert_eq!(quoted["totals"], Value::Null);
    assert_eq!(quoted["items"][0]["position"], 1);
    assert_eq!(quoted["items"][0]["line_total"], "10.00");
    assert_eq!(quoted["vendor_groups"][0]["total"], "10.00");
    let violations = quoted["violations"].as_array().unwrap();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0]["code"], "product_not_found");
    assert_eq!(violations[0]["path"], "/items/0/product_id");
}

#[tokio::test]
async fn a_quote_is_refused_where_its_shape_is_wrong_and_to_who_may_not_see_the_cart() {
    let world = World::start().await;
    let market = &world.market;
    let buyer = market.buyer().await;
    let client = world.client(&buyer);
    let cart = cart_of(&[(market.sold_product(500, 9).await, 2)]);

    let with_totals = quote(&client, &cart).await;
    assert_eq!(with_totals.bad_fields(), ["/totals"]);
    assert_eq!(
        quote(&client, &json!({ "items": [] })).await.bad_fields(),
        ["/items"]
    );
    let get = client.get("/api/v1/cart/quote").await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    let content = content_of(&cart);
    assert_eq!(quote(&world.server.stranger(), &content).await.status, 401);
    let (buyers, vendors) = (
        market.colleague(&buyer, "staff").await,
        market.vendor().await,
    );
    assert_eq!(quote(&world.client(&buyers), &content).await.status, 200);
    let shop = crate::support::Buyer {
        store_id: vendors.store_id,
        ..buyer
    };
    let owner = market.colleague(&shop, "owner").await;
    assert_eq!(
        quote(&world.client(&owner), &content).await.code(),
        "FORBIDDEN"
    );
}

/// Other sessions hold locks on the rows of cart, stock and catalogue.
#[tokio::test]
async fn a_quote_waits_for_no_lock() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 2)]);
    client.freeze(&cart).await;
    let mut held = world.market.database.pool.begin().await.unwrap();
    for table in [
        "cart_records",
        "inventory_items",
        "products",
        "stores",
        "users",
        "licenses",
    ] {
        let lock = format!("select from {table} for update");
        sqlx::query(sqlx::AssertSqlSafe(lock))
            .execute(&mut *held)
            .await
            .unwrap();
    }

    let quoted =
        tokio::time::timeout(Duration::from_secs(1), quote(&client, &content_of(&cart))).await;

    assert_eq!(quoted.unwrap().data()["violations"], json!([]));
    held.rollback().await.unwrap();
}

/// The vendors and products that an example's names refer to.
#[derive(Default)]
struct Stage {
    vendors: HashMap<String, Vendor>,
    products: HashMap<String, Product>,
}

impl Stage {
    async fn set(market: &Market, example: &Value) -> Self {
        let mut stage = Self::default();
        for entry in example["catalogue"].as_array().unwrap() {
            let vendor = entry["vendor"].as_str().unwrap();
            if !stage.vendors.contains_key(vendor) {
                stage
                    .vendors
                    .insert(vendor.to_owned(), market.vendor().await);
            }
            let cents = entry["price"]
                .as_str()
                .unwrap()
                .replace('.', "")
                .parse()
                .unwrap();
            let stock = entry["stock"].as_i64().unwrap_or(1_000);
            let stock = i32::try_from(stock).unwrap();
            let product = market.product(stage.vendors[vendor], cents, stock).await;
            for (min_qty, percent) in entry["tiers"].as_object().into_iter().flatten() {
                let percent = percent.as_str().unwrap();
                market
                    .tier(product, min_qty.parse().unwrap(), percent)
                    .await;
            }
            stage
                .products
                .insert(entry["name"].as_str().unwrap().to_owned(), product);
        }
        for code in codes(example) {
            let vendor = stage.vendors[code["vendor"].as_str().unwrap()];
            let [name, kind, value] =
                ["code", "kind", "value"].map(|field| code[field].as_str().unwrap());
            market.discount(vendor, name, kind, value).await;
            if let Some(min) = code["min_subtotal"].as_str() {
                let set = format!(
                    "update store_discounts set min_subtotal = {min} where vendor_store_id = '{}'",
                    vendor.store_id
                );
                market.database.run(&set).await;
            }
        }
        stage
    }

    fn content(&self, example: &Value) -> Value {
        let lines = example["cart"].as_array().unwrap().iter();
        let items: Vec<_> = lines
            .map(|line| {
                let qty = i32::try_from(line["qty"].as_i64().unwrap()).unwrap();
                item(self.products[line["name"].as_str().unwrap()], qty)
            })
            .collect();
        let discounts: Vec<_> = codes(example)
            .map(|code| {
                let vendor = self.vendors[code["vendor"].as_str().unwrap()];
                json!({ "vendor_store_id": vendor.store_id, "code": code["code"] })
            })
            .collect();
        json!({ "items": items, "discounts": discounts })
    }

    async fn assert_bought(
        &self,
        market: &Market,
        client: &Client,
        cart_id: &Value,
        checkout: &Value,
    ) {
        for (name, stock) in checkout["stock"].as_object().into_iter().flatten() {
            let stock = i32::try_from(stock.as_i64().unwrap()).unwrap();
            market.stock(self.products[name], stock).await;
        }
        let mut body = json!({ "cart_id": cart_id });
        if let Some(policy) = checkout["shortage_policy"].as_str() {
            body["shortage_policy"] = json!(policy);
        }
        let bought = Client::send(client.checkout_request(&fresh_key(), &body)).await;
        assert_eq!(bought.status, 201, "{}", bought.text());
        let orders = bought.data()["vendor_orders"].as_array().unwrap().clone();
        let expected = checkout["orders"].as_array().unwrap();
        assert_eq!(orders.len(), expected.len());
        for expected in expected {
            let vendor = self.vendors[expected["vendor"].as_str().unwrap()].store_id;
            let mut orders = orders.iter();
            let order = orders
                .find(|it| it["vendor_store_id"] == json!(vendor))
                .unwrap();
            for figure in ["subtotal", "discount_total", "total"] {
                assert_eq!(order[figure], expected[figure], "{figure} of {order}");
            }
            assert_eq!(
                order["payment_intent"]["amount"], expected["intent"],
                "{order}"
            );
        }
    }
}

fn codes(example: &Value) -> impl Iterator<Item = &Value> {
    example["codes"].as_array().into_iter().flatten()
}

#[tokio::test]
async fn the_examples_of_the_page_about_prices_come_out_as_it_says() {
    let world = World::start().await;
    let page = std::fs::read_to_string("docs/pricing.md").unwrap();
    let blocks = page.split("```json\n").skip(1);
    let examples: Vec<Value> = blocks
        .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
        .collect();
    assert!(examples.len() >= 9, "{} examples", examples.len());
    for example in &examples {
        let stage = Stage::set(&world.market, example).await;
        let client = world.client(&world.market.buyer().await);
        let mut content = stage.content(example);

        let quoted = quote(&client, &content).await.data();

        let expected = &example["quote"];
        assert_eq!(quoted["totals"], expected["totals"], "{example}");
        let lines = expected["lines"].as_array().unwrap();
        for (line, quoted) in lines.iter().zip(quoted["items"].as_array().unwrap()) {
            for figure in ["unit_price", "line_discount", "line_total"] {
                assert_eq!(quoted[figure], line[figure], "{figure} in {example}");
            }
        }
        let violations = quoted["violations"].as_array().unwrap();
        let violations: Vec<_> = violations.iter().map(|it| it["code"].clone()).collect();
        let none = json!([]);
        let wanted = expected.get("violations").unwrap_or(&none);
        assert_eq!(&json!(violations), wanted, "{example}");
        content["totals"] = quoted["totals"].clone();
        let put = client.put_cart(&fresh_key(), &content).await;
        assert_eq!(put.status == 200, violations.is_empty(), "{}", put.text());
        if let Some(checkout) = example.get("checkout") {
            let cart_id = &put.data()["id"];
            stage
                .assert_bought(&world.market, &client, cart_id, checkout)
                .await;
        }
    }
}
