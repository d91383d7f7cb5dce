//! `splitcart token`: tokens for the people of a seeded catalogue.

use std::process::Output;

use catalogue::{cli::seed::load, seed::SeedPlan};
use chrono::Utc;
use serde_json::Value;
use splitcart::db;

use crate::support::{
    World,
    server::{SECRET, splitcart},
};

const PLAN: SeedPlan = SeedPlan {
    vendors: 3,
    products: 30,
    buyers: 4,
    orders: 0,
    seed: 1,
};

fn token(options: &[&str]) -> Output {
    let mut command = splitcart("token");
    command
        .env("SPLITCART_AUTH_HS256_SECRET", SECRET)
        .args(options);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn seeded() -> World {
    let world = World::start().await;
    let url = world.market.database.url.as_str().into();
    let mut connection = db::pool::connect(&url).await.unwrap();
    load(&PLAN, Utc::now(), &mut connection, &|_| {})
        .await
        .unwrap();
    world
}

#[tokio::test]
async fn a_vendor_s_token_reads_the_vendor_s_orders_and_buys_nothing() {
    let world = seeded().await;
    for vendor in ["1", "3"] {
        let token = text(&token(&["--vendor", vendor]));
        let client = world.server.stranger().with_token(Some(token.trim()));

        let orders = client.get("/api/v1/orders").await;

        assert_eq!(orders.status, 200, "{}", orders.text());
        assert_eq!(client.get_cart().await.code(), "FORBIDDEN");
    }
}

#[tokio::test]
async fn tokens_of_many_buyers_are_lines_of_json() {
    let world = seeded().await;
    let lines = text(&token(&["--buyers", "2-4"]));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    assert_eq!(lines.len(), 3);
    for (line, number) in lines.iter().zip(2..) {
        assert_eq!(line["buyer"], number);
        let client = world.server.stranger().with_token(line["token"].as_str());
        assert_eq!(client.get_cart().await.code(), "NOT_FOUND");
        let store = line["store_id"].as_str().unwrap();
        let known = format!("select count(*) from stores where id = '{store}' and type = 'buyer'");
        let known: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(known))
            .fetch_one(&world.market.database.pool)
            .await
            .unwrap();
        assert_eq!(known, 1);
    }
    for wrong in ["0-3", "3-1", "a-b", "1-"] {
        let refused = token(&["--buyers", wrong]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && told.contains("1-5000"),
            "{wrong}: {told}"
        );
    }
    assert!(!token(&["--buyer", "1", "--vendor", "1"]).status.success());
}
