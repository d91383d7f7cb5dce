//! `splitcart serve` without URLs: a PostgreSQL and a Redis of its own.

use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use crate::support::{
    Database, Market, Server, client::fresh_key, market::cart_of, server::splitcart,
};

/// The database of a server that has started its own.
async fn database_in(data_dir: &Path) -> Database {
    let url = url_of(data_dir);
    let pool = PgPool::connect(&url).await.unwrap();
    Database { url, pool }
}

fn url_of(data_dir: &Path) -> String {
    format!(
        "postgres:///splitcart?host={}/run&user=splitcart",
        data_dir.display()
    )
}

fn data_dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-serve-")
        .tempdir()
        .unwrap();
    let data_dir = dir.path().join("data");
    (dir, data_dir)
}

/// An earlier crash does no harm, and purchases that were confirmed to a client are there after it.
#[tokio::test]
async fn a_killed_server_starts_again_with_its_data_and_ends_with_its_servers() {
    let (_dir, data_dir) = data_dir();
    let mut server = Server::start_embedded(&data_dir).await;
    let market = Market::new(database_in(&data_dir).await);
    let buyer = market.buyer().await;
    let product = market.sold_product(500, 10).await;
    let client = server.client(&buyer);
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let key = fresh_key();
    let first = client.check_out(&key, cart_id).await;
    assert_eq!(first.status, 201, "{}", first.text());

    server.kill();
    let mut server = Server::start_embedded(&data_dir).await;

    let replay = server.client(&buyer).check_out(&key, cart_id).await;
    assert!(
        replay.is_replay() && replay.bytes == first.bytes,
        "{}",
        replay.text()
    );
    let (status, ready) = server.operations("/readyz").await;
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["redis"]), (200, &json!("ready")));

    server.terminate();
    assert!(server.ended().await.success());
    assert!(
        PgConnection::connect(&url_of(&data_dir)).await.is_err(),
        "its PostgreSQL is gone"
    );
}

/// Two servers in one directory would corrupt it.
#[tokio::test]
async fn a_second_server_in_the_same_directory_is_refused_with_a_sentence() {
    let (_dir, data_dir) = data_dir();
    let first = Server::start_embedded(&data_dir).await;

    let second = splitcart("serve")
        .arg("--data-dir")
        .arg(&data_dir)
        .output()
        .unwrap();

    assert!(!second.status.success());
    let complaint = String::from_utf8_lossy(&second.stderr);
    assert!(
        complaint.contains(data_dir.to_str().unwrap()),
        "{complaint}"
    );
    assert_eq!(first.operations("/readyz").await.0, 200);
}
