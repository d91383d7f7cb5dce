//! PostgreSQL dies and comes back while we serve.

use splitcart::embedded::PrivatePostgres;
use sqlx::PgPool;

use crate::support::{
    Database, Market, Redis, Server, assert_consistent, client::fresh_key, market::cart_of,
    redis::signal, wait,
};

/// What a client was told is durable, what it could not be told is a quick 503, and the service
/// comes back by itself.
#[tokio::test]
async fn a_killed_postgresql_costs_time_and_nothing_else() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-restart-")
        .tempdir()
        .unwrap();
    let data_dir = dir.path().join("data");
    let postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    let url = postgres.database_url().to_owned();
    let redis = Redis::start().await;
    let settings = [("SPLITCART_DATABASE_ACQUIRE_MS_MAX", "300")];
    let server = Server::start(&url, &redis.url, &settings).await;
    let market = market_at(&url).await;
    let buyer = market.buyer().await;
    let client = server.client(&buyer);
    let product = market.sold_product(500, 10).await;
    let key = fresh_key();
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let first = client.check_out(&key, cart_id).await;
    assert_eq!(first.status, 201, "{}", first.text());

    signal(postgres.pid().unwrap(), "KILL");
    drop(postgres);

    let away = client.check_out(&fresh_key(), cart_id).await;
    assert_eq!(
        (away.status, away.code().as_str()),
        (503, "DEPENDENCY_UNAVAILABLE")
    );
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(server.operations("/readyz").await.0, 503);
    assert_eq!(server.operations("/livez").await.0, 200);

    let _postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    wait::until("it is ready again", async || {
        server.operations("/readyz").await.0 == 200
    })
    .await;
    redis.empty().await;
    let replay = client.check_out(&key, cart_id).await;
    assert!(
        replay.is_replay() && replay.bytes == first.bytes,
        "{}",
        replay.text()
    );
    let cart_id = client.freeze(&cart_of(&[(product, 3)])).await;
    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);
    let market = market_at(&url).await;
    assert_eq!(market.stock_of(product).await, (5, 5));
    assert_consistent(&market.database).await;
}

async fn market_at(url: &str) -> Market {
    Market::new(Database {
        url: url.to_owned(),
        pool: PgPool::connect(url).await.unwrap(),
    })
}
