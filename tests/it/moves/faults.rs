//! Moves under faults: killed at every step, a commit without an answer, a panic, rows that others hold.
#![cfg(feature = "faults")]

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::{
    Client, Reply, Server, assert_consistent, client::fresh_key, market::cart_of, wait,
};

use super::{Stage, accept, check_out, decide, fulfil, path, request};

/// A crashed server's claims on keys and on events are free again soon.
const SHORT_LEASES: [(&str, &str); 2] = [
    ("SPLITCART_IDEMPOTENCY_CLAIM_LEASE_MS", "300"),
    ("SPLITCART_OUTBOX_CLAIM_LEASE_S", "1"),
];

impl Stage {
    /// Serves on with a server that has some settings changed.
    async fn serve_with(&mut self, settings: &[(&str, &str)]) {
        let world = &mut self.world;
        world.server.kill();
        world.server = Server::start(&world.market.database.url, &world.redis.url, settings).await;
        self.buyer = self.buyer.on(&world.server);
        self.vendor = self.vendor.on(&world.server);
    }
}

/// Sends a request under one key until it is answered with anything but a wait.
async fn insist(client: &Client, path: &str, key: &str, body: &Value) -> Reply {
    let mut last = None;
    wait::until("the move is answered", async || {
        let reply = Client::send(request(client, path, key, body)).await;
        let is_answered = reply.status != 503 && reply.status != 409;
        last = Some(reply);
        is_answered
    })
    .await;
    last.unwrap()
}

async fn count(stage: &Stage, query: &'static str) -> i64 {
    stage.world.market.database.count(query).await
}

const DECISIONS: &str = "select count(*) from outbox_events where event_type = 'order_decided'";

/// `kill -9` at every step of a rejection: it is made wholly or not at all, and the retry under its key makes
/// it once.
#[tokio::test]
async fn a_move_that_is_killed_at_any_step_is_made_once() {
    for (place, is_committed) in [
        ("before_moves", false),
        ("moves_written", false),
        ("stock_freed", false),
        ("after_commit", true),
    ] {
        let mut stage = Stage::with_settings(&[500], &SHORT_LEASES).await;
        let order = stage.buy(&[3]).await;
        let dir = tempfile::tempdir().unwrap();
        let reached = dir.path().join("reached");
        let fault = format!("{place}:{}", reached.display());
        let settings = [
            SHORT_LEASES[0],
            SHORT_LEASES[1],
            ("SPLITCART_FAULT", fault.as_str()),
        ];
        stage.serve_with(&settings).await;
        let (key, path) = (fresh_key(), path(&order, "decision"));
        let body = json!({ "decision": "reject" });

        let sent = request(&stage.vendor, &path, &key, &body);
        let caller = tokio::spawn(Client::try_send(sent));
        wait::until("the fault's place is reached", async || {
            std::fs::read_to_string(&reached).is_ok_and(|text| text == place)
        })
        .await;
        assert_eq!(
            count(&stage, DECISIONS).await,
            i64::from(is_committed),
            "{place}"
        );
        stage.serve_with(&SHORT_LEASES).await;
        assert!(caller.await.unwrap().is_err(), "the caller was answered");

        let reply = insist(&stage.vendor, &path, &key, &body).await;
        assert_eq!(reply.status, 200, "{place}: {}", reply.text());
        assert_eq!(reply.is_replay(), is_committed, "{place}");
        assert_eq!(reply.data()["status"], "rejected");
        assert_eq!(stage.stock().await, [(10, 0, 0)], "{place}");
        assert_eq!(count(&stage, DECISIONS).await, 1, "{place}");
        assert_consistent(&stage.world.market.database).await;
    }
}

/// The server has committed and never says so, or has panicked: the caller hears what became of its move.
#[tokio::test]
async fn a_commit_without_an_answer_and_a_panic_are_found_out_about() {
    for place in ["commit_unanswered", "stock_freed!", "moves_written!"] {
        let mut stage = Stage::with_products(&[500]).await;
        let order = stage.buy(&[3]).await;
        accept(&stage.vendor, &order).await.data();
        let dir = tempfile::tempdir().unwrap();
        let reached = dir.path().join("reached");
        let fault = format!("{place}:{}", reached.display());
        let settings = [
            ("SPLITCART_COMMIT_MS_MAX", "300"),
            ("SPLITCART_FAULT", fault.as_str()),
        ];
        stage.serve_with(&settings).await;

        let fulfilled = fulfil(&stage.vendor, &order).await;

        assert!(reached.exists(), "{place} was never reached");
        assert_eq!(fulfilled.status, 200, "{place}: {}", fulfilled.text());
        // It is the first answer of this very request.
        assert!(!fulfilled.is_replay(), "{place}");
        assert_eq!(stage.stock().await, [(7, 0, 3)], "{place}");
        assert_consistent(&stage.world.market.database).await;
    }
}

/// Another session holds an order, a group or a stock row: who needs it is refused within a second or
/// served when it is free, and the others are served meanwhile.
#[tokio::test]
async fn rows_that_others_hold_delay_only_those_who_need_them() {
    let stage = Stage::with_products(&[500, 700]).await;
    let pool = &stage.world.market.database.pool;
    for held in [
        "select from vendor_orders where id = $1::uuid for update",
        "select from checkout_groups where id =
            (select checkout_group_id from vendor_orders where id = $1::uuid) for update",
        "select from inventory_items where product_id in
            (select product_id from order_line_items where order_id = $1::uuid) for update",
    ] {
        let needs_it = stage.buy(&[1, 0]).await;
        let others = join_all((0..4).map(|_| stage.buy_one_of(1))).await;
        let mut foreign = pool.begin().await.unwrap();
        sqlx::query(AssertSqlSafe(held))
            .bind(needs_it["order_id"].as_str().unwrap())
            .execute(&mut *foreign)
            .await
            .unwrap();
        let (key, path) = (fresh_key(), path(&needs_it, "decision"));
        let reject = json!({ "decision": "reject" });

        let (refused, served) = tokio::join!(
            Client::send(request(&stage.vendor, &path, &key, &reject)),
            join_all(
                others
                    .iter()
                    .map(|order| decide(&stage.vendor, order, &reject))
            )
        );

        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "OVERLOADED"),
            "{held}"
        );
        for reply in served {
            assert_eq!(reply.status, 200, "{held}: {}", reply.text());
        }
        foreign.rollback().await.unwrap();
        let reply = insist(&stage.vendor, &path, &key, &reject).await;
        assert_eq!(reply.status, 200, "{held}: {}", reply.text());
    }
    assert_eq!(stage.stock().await, [(10, 0, 0), (10, 0, 0)]);
    assert_consistent(&stage.world.market.database).await;
}

/// A hot product is released and sold at the same moment, on two instances: nothing is lost or invented.
#[tokio::test]
async fn the_last_units_are_released_and_sold_at_once() {
    let stage = Stage::with_products(&[500]).await;
    let world = &stage.world;
    let second = Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    let product = stage.products[0];
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(stage.buy(&[1]).await);
    }
    assert_eq!(stage.stock().await, [(0, 10, 0)]);
    let mut buyers = Vec::new();
    for place in 0..20 {
        let client = world.client(&world.market.buyer().await);
        // A cart can be frozen while there is something left.
        world.market.stock(product, 1).await;
        let cart_id = client.freeze(&cart_of(&[(product, 1)])).await;
        let client = if place % 2 == 0 {
            client
        } else {
            client.on(&second)
        };
        buyers.push((client, cart_id));
    }
    world.market.stock(product, 0).await;

    let vendors = [stage.vendor.clone(), stage.vendor.on(&second)];
    let rejections = join_all(orders.iter().enumerate().map(|(place, order)| {
        let vendor = &vendors[place % 2];
        async move { decide(vendor, order, &json!({ "decision": "reject" })).await }
    }));
    let purchases = join_all(buyers.iter().map(|(client, cart_id)| async move {
        let key = fresh_key();
        let body = json!({ "cart_id": cart_id });
        insist_on_checkout(client, &key, &body).await
    }));
    let (rejections, purchases) = tokio::join!(rejections, purchases);

    for reply in rejections {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let sold = purchases
        .iter()
        .filter(|reply| reply.data()["vendor_orders"][0]["status"] == "created_pending");
    let sold = i32::try_from(sold.count()).unwrap();
    assert_eq!(stage.stock().await, [(10 - sold, sold, 0)]);
    assert_consistent(&world.market.database).await;
}

async fn insist_on_checkout(client: &Client, key: &str, body: &Value) -> Reply {
    let mut last = None;
    wait::until("the checkout is answered", async || {
        let reply = Client::send(
            client
                .request(Method::POST, "/api/v1/checkout")
                .header("Idempotency-Key", key)
                .json(body),
        )
        .await;
        let is_answered = reply.status == 201;
        last = Some(reply);
        is_answered
    })
    .await;
    last.unwrap()
}

impl Stage {
    /// Buys one unit of a product, as a buyer of its own.
    async fn buy_one_of(&self, place: usize) -> Value {
        let buyer = self.world.client(&self.world.market.buyer().await);
        let group = check_out(&buyer, &cart_of(&[(self.products[place], 1)])).await;
        group["vendor_orders"][0].clone()
    }
}
