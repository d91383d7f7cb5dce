//! Moves that meet: two of one order, two of one group, many at once, two instances.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::{
    isolation::WAITS,
    support::{
        Client, Server, World, assert_consistent, client::fresh_key, crowd::is_refused,
        market::cart_of,
    },
};

use super::{Stage, accept, cancel, check_out, decide, id, insist, path, post, request, worker};

/// One of them is first, the other finds what it has done.
#[tokio::test]
async fn a_decision_and_a_cancellation_at_once_leave_one_of_two_states() {
    let stage = Stage::with_products(&[500]).await;
    for _ in 0..20 {
        let order = stage.buy(&[1]).await;
        let reject = json!({ "decision": "reject" });
        let (decided, canceled) = tokio::join!(
            decide(&stage.vendor, &order, &reject),
            cancel(&stage.buyer, &order)
        );
        let mut statuses = [decided.status, canceled.status];
        statuses.sort_unstable();
        assert_eq!(
            statuses,
            [200, 409],
            "{} {}",
            decided.text(),
            canceled.text()
        );
    }
    assert_eq!(stage.stock().await, [(10, 0, 0)]);
    assert_consistent(&stage.world.market.database).await;
}

/// All vendors of large groups decide at the same moment, over two instances: the figures of each group
/// follow all of them.
#[tokio::test]
async fn vendors_of_one_group_decide_at_once_on_two_instances() {
    const VENDORS: usize = 8;
    let world = World::start().await;
    let second = Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    let buyer = world.client(&world.market.buyer().await);
    let mut lines = Vec::new();
    let mut vendors = Vec::new();
    for _ in 0..VENDORS {
        let shop = world.market.vendor().await;
        let first = worker(&world, shop, "owner").await;
        vendors.push([first.clone(), first.on(&second)]);
        lines.push((world.market.product(shop, 500, 100).await, 1));
    }
    for round in 0..10 {
        let group = check_out(&buyer, &cart_of(&lines)).await;
        let orders = group["vendor_orders"].as_array().unwrap();
        let decisions = orders.iter().zip(&vendors).enumerate();
        let replies = join_all(decisions.map(|(place, (order, vendor))| {
            let body = json!({ "decision": if place % 2 == 0 { "accept" } else { "reject" } });
            // On a busy machine one may be asked to come back.
            let path = path(order, "decision");
            async move { insist(&vendor[(place + round) % 2], &path, &fresh_key(), &body).await }
        }))
        .await;
        for reply in replies {
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let path = format!(
            "/api/v1/checkout-groups/{}",
            id(&group["checkout_group_id"])
        );
        assert_eq!(buyer.get(&path).await.data()["total"], "20.00");
    }
    assert_consistent(&world.market.database).await;
}

/// The same key on two instances, or from an impatient client: one answer.
#[tokio::test]
async fn one_key_moves_once_however_often_it_is_sent() {
    let stage = Stage::with_products(&[500]).await;
    let second = Server::start(
        &stage.world.market.database.url,
        &stage.world.redis.url,
        &[],
    )
    .await;
    let order = stage.buy(&[1]).await;
    let (key, path) = (fresh_key(), path(&order, "decision"));
    let clients = [stage.vendor.clone(), stage.vendor.on(&second)];

    let replies = join_all((0..12).map(|place| {
        let client = &clients[place % 2];
        let request = request(client, &path, &key, &json!({ "decision": "accept" }));
        async move { Client::send(request).await }
    }))
    .await;

    let answers: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|reply| reply.bytes == answers[0].bytes));
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.code(), "IDEMPOTENCY_IN_PROGRESS");
    }
    let events = "select count(*) from outbox_events where event_type = 'order_decided'";
    assert_eq!(stage.world.market.database.count(events).await, 1);
}

/// A group is canceled while its vendors decide: each order ends in one way, and no unit is lost.
#[tokio::test]
async fn a_group_is_canceled_while_its_vendors_decide() {
    let world = World::start().await;
    let buyer = world.client(&world.market.buyer().await);
    let mut lines = Vec::new();
    let mut vendors = Vec::new();
    for _ in 0..4 {
        let shop = world.market.vendor().await;
        vendors.push(worker(&world, shop, "owner").await);
        lines.push((world.market.product(shop, 500, 10).await, 1));
    }
    for _ in 0..10 {
        let group = check_out(&buyer, &cart_of(&lines)).await;
        let orders = group["vendor_orders"].as_array().unwrap();
        let path = format!(
            "/api/v1/checkout-groups/{}/cancellation",
            id(&group["checkout_group_id"])
        );
        let decisions = join_all(
            orders
                .iter()
                .zip(&vendors)
                .map(|(order, vendor)| accept(vendor, order)),
        );
        let body = json!({});
        let (decisions, canceled) = tokio::join!(decisions, post(&buyer, &path, &body));
        assert_eq!(canceled.status, 200, "{}", canceled.text());
        for reply in decisions {
            assert!([200, 409].contains(&reply.status), "{}", reply.text());
        }
    }
    for (product, _) in &lines {
        assert_eq!(world.market.stock_of(*product).await, (10, 0));
    }
    assert_consistent(&world.market.database).await;
}

/// A locked table delays every move: all are refused at once, and not one after the other.
#[tokio::test]
async fn a_table_that_is_locked_is_told_to_all_at_once() {
    let world = World::start().await;
    let shop = world.market.vendor().await;
    let product = world.market.product(shop, 500, 100).await;
    let vendor = worker(&world, shop, "ops").await;
    let buyer = world.client(&world.market.buyer().await);
    let mut orders = Vec::new();
    for _ in 0..40 {
        let group = check_out(&buyer, &cart_of(&[(product, 1)])).await;
        orders.push(group["vendor_orders"][0].clone());
    }
    for table in ["vendor_orders", "outbox_events", "inventory_items"] {
        let mut held = world.market.database.pool.begin().await.unwrap();
        let lock = AssertSqlSafe(format!("lock table {table} in share mode"));
        sqlx::query(lock).execute(&mut *held).await.unwrap();
        let waits = world.server.metric(WAITS).await;

        let reject = json!({ "decision": "reject" });
        let replies = join_all(orders.iter().map(|it| decide(&vendor, it, &reject))).await;

        for reply in replies {
            assert!(is_refused(&reply), "{table}: {}", reply.text());
        }
        let waits = world.server.metric(WAITS).await - waits;
        assert!((1.0..10.0).contains(&waits), "{table}: {waits} waits");
        held.rollback().await.unwrap();
    }
    for order in &orders {
        let body = json!({ "decision": "reject" });
        let reply = insist(&vendor, &path(order, "decision"), &fresh_key(), &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(world.market.stock_of(product).await, (100, 0));
    assert_consistent(&world.market.database).await;
}
