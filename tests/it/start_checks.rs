//! The checks before anything is served, and the limits of their waits.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::Value;
use sqlx::Connection;

use crate::support::{Database, Redis, Server, World, server::refusal_to_start, wait};

/// A host that accepts connections and never sends a byte.
#[tokio::test]
async fn a_silent_postgresql_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://x@{}/x", silent.local_addr().unwrap());
    let started = Instant::now();
    let told = refusal_to_start(&[
        ("SPLITCART_DATABASE_URL", &url),
        ("SPLITCART_DATABASE_START_WAIT_S_MAX", "2"),
    ]);
    assert!(told.contains("hear from PostgreSQL in time"), "{told}");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_server_without_room_for_one_instance_is_told_at_start() {
    let database = Database::create().await;
    let name = database
        .url
        .parse::<sqlx::postgres::PgConnectOptions>()
        .unwrap();
    let name = name.get_database().unwrap().to_owned();
    database
        .run(&format!("alter database {name} connection limit 12"))
        .await;
    let told = refusal_to_start(&[
        ("SPLITCART_DATABASE_URL", &database.url),
        ("SPLITCART_HTTP_WORKERS", "4"),
    ]);
    assert!(told.contains("may open 43 connections"), "{told}");
    assert!(told.contains("max_connections"), "{told}");
}

#[tokio::test]
async fn an_instance_says_how_many_connections_it_may_open_in_all() {
    let world = World::with_settings(&[("SPLITCART_HTTP_WORKERS", "3")]).await;
    let line = world
        .server
        .log()
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| line["database.connections_max"].as_f64())
        .expect("a log line with the number");

    // Besides the pools, which open with their threads, readiness has one connection.
    wait::until("all pools are there, and no more than that", async || {
        world.server.metric("splitcart_pool_connections_max{").await + 1.0 == line
    })
    .await;
}

/// Migrations that wait for a table give up and retry, so that sessions queued behind them go on.
#[tokio::test]
async fn a_migration_does_not_wait_for_a_table_for_ever() {
    let database = Database::create().await;
    let mut foreign = database.pool.begin().await.unwrap();
    sqlx::query("lock table _sqlx_migrations in access exclusive mode")
        .execute(&mut *foreign)
        .await
        .unwrap();
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();

    let started = Instant::now();
    let hurried =
        splitcart::db::migrations::migrate_within(&mut connection, Duration::from_secs(1)).await;
    let took = started.elapsed();

    let told = hurried.unwrap_err().to_string();
    assert!(told.contains("lock timeout"), "{told}");
    assert!(took < Duration::from_secs(10), "{took:?}");

    let release = async {
        // The start has retried at least once by then.
        tokio::time::sleep(took + Duration::from_secs(1)).await;
        foreign.rollback().await.unwrap();
    };
    let patient =
        splitcart::db::migrations::migrate_within(&mut connection, Duration::from_secs(30));
    let (migrated, ()) = tokio::join!(patient, release);
    migrated.unwrap();
}

/// The private listener and the public one start beside others on the same PostgreSQL.
#[tokio::test]
async fn two_instances_start_beside_each_other() {
    let database = Database::create_bare().await;
    let redis = Redis::start().await;
    let (first, second) = tokio::join!(
        Server::start(&database.url, &redis.url, &[]),
        Server::start(&database.url, &redis.url, &[]),
    );
    for server in [first, second] {
        assert_eq!(server.operations("/readyz").await.0, 200);
    }
}
