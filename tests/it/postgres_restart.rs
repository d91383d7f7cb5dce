//! PostgreSQL dies and comes back while the service runs.

use private_servers::PrivatePostgres;
use sqlx::PgPool;

use crate::support::{
    Database, Market, Redis, Server, assert_consistent, client::fresh_key, market::cart_of,
    redis::signal, wait,
};

/// An answer that a client got is durable, a checkout that can't be carried out is a quick 503, and the
/// service recovers by itself.
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
    // Less than usual, and enough for a login on a busy machine.
    let settings = [("SPLITCART_DATABASE_ACQUIRE_MS_MAX", "1000")];
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

/// A PostgreSQL that hangs is worse than one that is gone: its own timeouts hang with it.
#[tokio::test]
async fn a_frozen_postgresql_is_a_503_in_bounded_time() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-frozen-")
        .tempdir()
        .unwrap();
    let postgres = PrivatePostgres::start_at(&dir.path().join("data"))
        .await
        .unwrap();
    let url = postgres.database_url().to_owned();
    let redis = Redis::start().await;
    let settings = [
        ("SPLITCART_DATABASE_ACQUIRE_MS_MAX", "300"),
        ("SPLITCART_TRANSACTION_MS_MAX", "1000"),
    ];
    let server = Server::start(&url, &redis.url, &settings).await;
    let market = market_at(&url).await;
    let product = market.sold_product(500, 10).await;
    let client = server.client(&market.buyer().await);
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let key = fresh_key();

    let family = family_of(postgres.pid().unwrap());
    for pid in &family {
        signal(*pid, "STOP");
    }
    for reply in [
        client.check_out(&key, cart_id).await,
        client.get_cart().await,
    ] {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (503, "DEPENDENCY_UNAVAILABLE")
        );
    }
    for pid in &family {
        signal(*pid, "CONT");
    }

    wait::until("it is bought", async || {
        client.check_out(&key, cart_id).await.status == 201
    })
    .await;
    assert_eq!(market.stock_of(product).await, (8, 2));
    assert_consistent(&market.database).await;
}

/// A process and its children: each backend of PostgreSQL is one.
fn family_of(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line == format!("PPid:\t{parent}"))
    };
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
    });
    std::iter::once(parent)
        .chain(pids.filter(is_child))
        .collect()
}
