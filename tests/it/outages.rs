//! A server that is away is reported in the log once, with the cause, and once more when it is back.

use private_servers::PrivatePostgres;

use crate::support::{
    Redis, Server, World, client::fresh_key, market::cart_of, redis::signal, wait,
};

/// The log lines that report a server as away or as back.
fn told(server: &Server, name: &str) -> Vec<(String, String)> {
    let lines = server.log();
    let events = lines
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .filter(|event| event["dependency.name"] == name)
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("level"), text("message"))
        })
        .collect()
}

async fn until_told(server: &Server, name: &str, lines: usize) {
    wait::until("the log reports it", async || {
        told(server, name).len() >= lines
    })
    .await;
}

#[tokio::test]
async fn redis_is_named_when_it_is_away_and_when_it_is_back() {
    let mut world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    world.server.until_logged("answers").await;
    world.redis.kill().await;
    wait::until("the log reports it", async || {
        // Each request asks Redis.
        client.put_cart(&fresh_key(), &serde_json::json!({})).await;
        let body = serde_json::json!({ "cart_id": uuid::Uuid::now_v7() });
        let request = client.checkout_request(&fresh_key(), &body);
        crate::support::Client::send(request).await;
        !told(&world.server, "Redis").is_empty()
    })
    .await;
    world.redis.restart().await;
    until_told(&world.server, "Redis", 2).await;

    let lines = told(&world.server, "Redis");
    let [(away, cause), (back, end)] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!((away.as_str(), back.as_str()), ("ERROR", "INFO"));
    assert!(cause.starts_with("Redis at "), "{cause}");
    // A probe that was under way when the kill struck sees its connection cut; any other one is refused.
    let causes = ["Connection refused", "Connection reset", "Broken pipe"];
    assert!(causes.iter().any(|known| cause.contains(known)), "{cause}");
    assert!(end.contains("is back after "), "{end}");
}

/// Regression: the outage was not logged until the first request.
#[tokio::test]
async fn a_redis_that_is_not_there_at_the_start_is_named_at_once() {
    let world = World::start().await;
    let server = Server::start(&world.market.database.url, "redis://127.0.0.1:1", &[]).await;
    until_told(&server, "Redis", 1).await;
    assert!(told(&server, "Redis")[0].1.contains("127.0.0.1:1"));
}

#[tokio::test]
async fn a_replica_is_named_at_the_start_and_by_readiness() {
    let world = World::start().await;
    let mut connection = world.redis.connect().await.unwrap();
    let _: () = redis::cmd("REPLICAOF")
        .arg("127.0.0.1")
        .arg(1)
        .query_async(&mut connection)
        .await
        .unwrap();
    let server = Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    until_told(&server, "Redis", 1).await;
    assert!(told(&server, "Redis")[0].1.contains("replica"));
    let (status, body) = server.operations("/readyz").await;
    assert_eq!(status, 200, "it is not required");
    let state: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(
        state["redis"].as_str().unwrap().contains("replica"),
        "{body}"
    );
}

#[tokio::test]
async fn postgresql_is_named_when_it_is_away_and_when_it_is_back() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-outage-")
        .tempdir()
        .unwrap();
    let data_dir = dir.path().join("data");
    let postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    let redis = Redis::start().await;
    let settings = [("SPLITCART_DATABASE_ACQUIRE_MS_MAX", "300")];
    let server = Server::start(postgres.database_url(), &redis.url, &settings).await;
    signal(postgres.pid().unwrap(), "KILL");
    drop(postgres);
    until_told(&server, "PostgreSQL", 1).await;
    let _postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    until_told(&server, "PostgreSQL", 2).await;

    let lines = told(&server, "PostgreSQL");
    let [(away, cause), (back, end)] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!((away.as_str(), back.as_str()), ("ERROR", "INFO"));
    assert!(cause.starts_with("PostgreSQL at "), "{cause}");
    assert!(cause.contains("503"), "{cause}");
    assert!(end.contains("is back after "), "{end}");
}

/// A full disk (SQLSTATE 53100), as a client sees it: triggers raise the error, since no disk is filled.
#[tokio::test]
async fn a_full_disk_is_503_and_over_when_there_is_space_again() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 1)]);
    let cart_id = client.freeze(&cart).await;
    let database = &world.market.database;
    database
        .run(
            "create function disk_full() returns trigger language plpgsql as $$ begin \
               raise exception 'could not extend file: No space left on device' \
               using errcode = '53100'; end $$; \
             create trigger full_of_carts before insert on cart_items \
               execute function disk_full(); \
             create trigger full_of_orders before insert on vendor_orders \
               execute function disk_full()",
        )
        .await;

    let (put, bought) = (fresh_key(), fresh_key());
    for reply in [
        client.put_cart(&put, &cart).await,
        client.check_out(&bought, cart_id).await,
    ] {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (503, "DEPENDENCY_UNAVAILABLE")
        );
        assert!(!reply.header("retry-after").is_empty());
    }

    database
        .run("drop trigger full_of_carts on cart_items; drop trigger full_of_orders on vendor_orders")
        .await;
    assert_eq!(client.check_out(&bought, cart_id).await.status, 201);
    assert_eq!(client.put_cart(&put, &cart).await.status, 200);
}
