//! Late orders while others are at work: another instance, and a session that holds an order.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Server, assert_consistent, wait};

use super::{Stage, id};

/// Makes all orders of a status eleven days old; ten are the default.
async fn backdate(stage: &Stage, status: &str) {
    let statement = format!(
        "update vendor_orders set created_at = now() - interval '11 days' where status = '{status}'"
    );
    stage.world.market.database.run(&statement).await;
}

async fn until_expired(stage: &Stage, count: i64) {
    let expired = "select count(*) from vendor_orders where status = 'expired'";
    wait::until("the late orders have expired", async || {
        stage.world.market.database.count(expired).await == count
    })
    .await;
}

async fn events(stage: &Stage, of_type: &str) -> Vec<Value> {
    let waiting = "select count(*) from outbox_events where published_at is null";
    wait::until("everything is published", async || {
        stage.world.market.database.count(waiting).await == 0
    })
    .await;
    let mut events = stage.world.redis.events().await;
    events.retain(|event| event["type"] == of_type);
    events
}

#[tokio::test]
async fn two_instances_expire_each_order_once_and_give_back_all_stock() {
    let stage = Stage::with_products(&[500]).await;
    let (url, redis) = (&stage.world.market.database.url, &stage.world.redis.url);
    let other = Server::start(url, redis, &[]).await;
    stage.world.market.stock(stage.products[0], 150).await;
    for _ in 0..150 {
        stage.buy(&[1]).await;
    }
    assert_eq!(stage.stock().await, [(0, 150, 0)]);

    backdate(&stage, "created_pending").await;

    until_expired(&stage, 150).await;
    assert_eq!(stage.stock().await, [(150, 0, 0)]);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for event in events(&stage, "order_expired").await {
        *times.entry(id(&event["aggregate_id"])).or_default() += 1;
    }
    assert_eq!(times.len(), 150);
    assert!(times.values().all(|times| *times == 1));
    wait::until("each is counted once", async || {
        let mut counted = 0.0;
        for server in [&stage.world.server, &other] {
            counted += server.metric("splitcart_orders_expired").await;
        }
        (counted - 150.0).abs() < 0.5
    })
    .await;
    assert_consistent(&stage.world.market.database).await;
}

#[tokio::test]
async fn an_order_that_another_session_holds_holds_up_no_other() {
    let mut stage = Stage::with_products(&[500]).await;
    let held = id(&stage.buy(&[1]).await["order_id"]);
    for _ in 0..3 {
        stage.buy(&[1]).await;
    }
    stage.world.server.terminate();
    stage.world.server.ended().await;
    backdate(&stage, "created_pending").await;
    let (url, redis) = (&stage.world.market.database.url, &stage.world.redis.url);
    let mut session = PgConnection::connect(url).await.unwrap();
    let mut holder = session.begin().await.unwrap();
    let holding = format!("select from vendor_orders where id = '{held}' for update");
    sqlx::raw_sql(AssertSqlSafe(holding))
        .execute(&mut *holder)
        .await
        .unwrap();

    stage.world.server = Server::start(url, redis, &[]).await;

    until_expired(&stage, 3).await;
    wait::until("the held one was tried", async || {
        stage.world.server.metric("splitcart_expiry_waiting").await == 1.0
    })
    .await;
    holder.rollback().await.unwrap();
    until_expired(&stage, 4).await;
    assert_eq!(stage.stock().await, [(10, 0, 0)]);
    assert_consistent(&stage.world.market.database).await;
}
