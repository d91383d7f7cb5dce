//! The real service, driven step by step over HTTP.

use std::sync::Arc;

use proptest_state_machine::StateMachineTest;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Product, Reply, World, assert_consistent, client::fresh_key, market::cart_of,
};

use super::reference::{
    BUYERS, Count, Expected, LIMITED, Model, PRODUCTS, STOCK, Step, VENDORS, vendor_of,
};

/// The service with what the test knows of it.
pub struct Service {
    runtime: Arc<Runtime>,
    world: World,
    vendors: Vec<Client>,
    buyers: Vec<Client>,
    products: Vec<Product>,
    carts: Vec<Option<Uuid>>,
    /// The orders, in the order in which the model has them.
    orders: Vec<Value>,
    /// The last request: its client, method, path, key and body, and its answer if that was a success.
    last: Option<(Request, Option<Vec<u8>>)>,
}

#[derive(Clone)]
struct Request {
    client: Client,
    method: Method,
    path: String,
    key: String,
    body: Value,
}

impl Request {
    async fn send(&self) -> Reply {
        let request = self
            .client
            .request(self.method.clone(), &self.path)
            .header("Idempotency-Key", &self.key)
            .json(&self.body);
        Client::send(request).await
    }
}

impl StateMachineTest for Service {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.unwrap());
        let (world, vendors, buyers, products) = runtime.block_on(stage());
        Self {
            runtime,
            world,
            vendors,
            buyers,
            products,
            carts: vec![None; BUYERS],
            orders: Vec::new(),
            last: None,
        }
    }

    fn apply(mut service: Self, model: &Model, step: Step) -> Self {
        let runtime = Arc::clone(&service.runtime);
        runtime.block_on(service.step(model, step));
        service
    }

    fn teardown(service: Self, _: Model) {
        let database = &service.world.market.database;
        service.runtime.block_on(assert_consistent(database));
    }
}

async fn stage() -> (World, Vec<Client>, Vec<Client>, Vec<Product>) {
    let world = World::start().await;
    let market = &world.market;
    let (mut vendors, mut products) = (Vec::new(), Vec::new());
    for _ in 0..VENDORS {
        let vendor = market.vendor().await;
        let person = Buyer {
            user_id: Uuid::now_v7(),
            store_id: vendor.store_id,
        };
        vendors.push(world.client(&market.colleague(&person, "ops").await));
        for _ in 0..PRODUCTS / VENDORS {
            let price = 100 + 50 * i64::try_from(products.len()).unwrap();
            products.push(market.product(vendor, price, STOCK).await);
        }
    }
    let (limited, limit) = LIMITED;
    sqlx::query("update products set buyer_limit_qty = $2 where id = $1")
        .bind(products[limited].id)
        .bind(limit)
        .execute(&market.database.pool)
        .await
        .unwrap();
    let mut buyers = Vec::new();
    for _ in 0..BUYERS {
        buyers.push(world.client(&market.buyer().await));
    }
    (world, vendors, buyers, products)
}

impl Service {
    /// Takes a step; `model` is the model after it.
    async fn step(&mut self, model: &Model, step: Step) {
        match step {
            Step::Retry => self.retry().await,
            Step::Freeze { buyer, lines } => {
                let lines: Vec<_> = lines
                    .iter()
                    .map(|(product, qty)| (self.products[*product], *qty))
                    .collect();
                let client = self.buyers[buyer].clone();
                let cart = cart_of(&lines);
                let reply = self
                    .send(client, Method::PUT, "/api/v1/cart".to_owned(), cart)
                    .await;
                check(&reply, &model.expected);
                if reply.status == 200 {
                    let id = reply.data()["id"].as_str().unwrap().parse().unwrap();
                    self.carts[buyer] = Some(id);
                }
            }
            Step::CheckOut { buyer, fills } => {
                let policy = if fills { "fill" } else { "reject_line" };
                let body = json!({ "cart_id": self.carts[buyer], "shortage_policy": policy });
                let client = self.buyers[buyer].clone();
                let reply = self.post(client, "/api/v1/checkout".to_owned(), body).await;
                check(&reply, &model.expected);
                let group = reply.data();
                let orders = group["vendor_orders"].as_array().unwrap();
                self.orders.extend(orders.iter().cloned());
                for order in self.orders.iter_mut().rev().take(orders.len()) {
                    order["checkout_group_id"] = group["checkout_group_id"].clone();
                }
                assert_eq!(self.orders.len(), model.orders.len());
            }
            Step::DecideAll { order, accepts } => {
                let word = if accepts { "accept" } else { "reject" };
                let body = json!({ "decision": word });
                self.act(model, model.place(order), "decision", body).await;
            }
            Step::DecideLines { order, verdicts } => {
                let place = model.place(order);
                let lines = self.lines_of(model, place, &verdicts).await;
                let body = json!({ "lines": lines });
                self.act(model, place, "decision", body).await;
            }
            Step::Fulfil(order) => {
                self.act(model, model.place(order), "fulfillment", json!({}))
                    .await;
            }
            Step::Cancel(order) => {
                self.act(model, model.place(order), "cancellation", json!({}))
                    .await;
            }
            Step::CancelGroup(order) => {
                let order = model.place(order);
                let group = self.orders[order]["checkout_group_id"].as_str().unwrap();
                let path = format!("/api/v1/checkout-groups/{group}/cancellation");
                let client = self.buyers[model.orders[order].buyer].clone();
                let reply = self.post(client, path, json!({})).await;
                check(&reply, &model.expected);
            }
            Step::Count { product, count } => self.count(model, product, count).await,
        }
        self.compare(model).await;
    }

    /// The verdicts of a decision about single lines: a line that is not pending any more, as the service
    /// has it now, is not among those that the model has named.
    async fn lines_of(&self, model: &Model, order: usize, verdicts: &[Option<bool>]) -> Vec<Value> {
        let read = self.read(model, order).await;
        let lines = read["items"].as_array().unwrap().iter();
        let pending = lines.filter(|line| line["status"] == "pending");
        let named = pending.zip(verdicts).filter_map(|(line, verdict)| {
            let word = if (*verdict)? { "accept" } else { "reject" };
            Some(json!({ "line_item_id": line["line_item_id"], "decision": word }))
        });
        named.collect()
    }

    /// Moves an order, by its vendor or its buyer.
    async fn act(&mut self, model: &Model, order: usize, action: &str, body: Value) {
        let id = self.orders[order]["order_id"].as_str().unwrap();
        let path = format!("/api/v1/orders/{id}/{action}");
        let moved = &model.orders[order];
        let client = if action == "cancellation" {
            self.buyers[moved.buyer].clone()
        } else {
            self.vendors[moved.vendor].clone()
        };
        let reply = self.post(client, path, body).await;
        check(&reply, &model.expected);
        if reply.status == 200 {
            assert_eq!(reply.data(), self.read(model, order).await);
        }
    }

    async fn count(&mut self, model: &Model, product: usize, count: Count) {
        let mut item = json!({ "product_id": self.products[product].id });
        match count {
            Count::OnHand(qty) => item["on_hand_qty"] = json!(qty),
            Count::Available(qty) => item["available_qty"] = json!(qty),
            Count::Delta(qty) => item["delta_qty"] = json!(qty),
        }
        let client = self.vendors[vendor_of(product)].clone();
        let path = "/api/v1/inventory".to_owned();
        let body = json!({ "items": [item] });
        let reply = self.send(client, Method::PUT, path, body).await;
        let result = reply.data()["results"][0].clone();
        let Expected::Counted(expected) = model.expected else {
            panic!("{:?}", model.expected)
        };
        assert_eq!(result["result"], expected, "{result}");
        let stock = model.stock[product];
        for (name, qty) in [
            ("available_qty", i64::from(stock.available)),
            ("reserved_qty", i64::from(stock.reserved)),
            ("version", stock.version),
        ] {
            assert_eq!(result[name], qty, "{name}: {result}");
        }
    }

    async fn retry(&self) {
        let Some((request, Some(answer))) = &self.last else {
            return;
        };
        let reply = request.send().await;
        assert!(reply.is_replay(), "{}", reply.text());
        assert_eq!(reply.bytes, *answer);
    }

    async fn post(&mut self, client: Client, path: String, body: Value) -> Reply {
        self.send(client, Method::POST, path, body).await
    }

    async fn send(&mut self, client: Client, method: Method, path: String, body: Value) -> Reply {
        let request = Request {
            client,
            method,
            path,
            key: fresh_key(),
            body,
        };
        let reply = request.send().await;
        let answer = (reply.status < 300).then(|| reply.bytes.clone());
        self.last = Some((request, answer));
        reply
    }

    /// An order, as its buyer reads it.
    async fn read(&self, model: &Model, order: usize) -> Value {
        let id = self.orders[order]["order_id"].as_str().unwrap();
        let buyer = &self.buyers[model.orders[order].buyer];
        buyer.get(&format!("/api/v1/orders/{id}")).await.data()
    }

    /// The stock of all products, and the statuses of all orders and lines, are the model's.
    async fn compare(&self, model: &Model) {
        let pool = &self.world.market.database.pool;
        for (product, expected) in self.products.iter().zip(&model.stock) {
            let row: (i32, i32, i64, i64) = sqlx::query_as(
                "select available_qty, reserved_qty, fulfilled_qty, version
                 from inventory_items where product_id = $1",
            )
            .bind(product.id)
            .fetch_one(pool)
            .await
            .unwrap();
            let expected = (
                expected.available,
                expected.reserved,
                i64::from(expected.fulfilled),
                expected.version,
            );
            assert_eq!(row, expected);
        }
        let rows: Vec<(Uuid, String, Uuid, i32, String)> = sqlx::query_as(
            "select o.id, o.status, l.product_id, l.qty, l.status
             from vendor_orders o join order_line_items l on l.order_id = o.id",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let mut stored: Vec<_> = rows;
        stored.sort_unstable();
        let mut expected = Vec::new();
        for (order, known) in model.orders.iter().zip(&self.orders) {
            let id: Uuid = known["order_id"].as_str().unwrap().parse().unwrap();
            expected.extend(order.lines.iter().map(|line| {
                let product = self.products[line.product].id;
                let (status, of_line) = (order.status.to_owned(), line.status.to_owned());
                (id, status, product, line.qty, of_line)
            }));
        }
        expected.sort_unstable();
        assert_eq!(stored, expected);
    }
}

fn check(reply: &Reply, expected: &Expected) {
    let Expected::Status(status) = expected else {
        panic!("{expected:?}")
    };
    assert_eq!(reply.status, *status, "{}", reply.text());
}
