//! The answers of `/readyz`, and their cost.

use chrono::{DateTime, Utc};
use private_servers::PrivatePostgres;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::support::{Client, Redis, Server, Shopper, World, market::cart_of, redis::signal, wait};

const ASKED: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'splitcart readiness'";
const NEWEST: &str = "select coalesce(max(pid), 0)::bigint from pg_stat_activity
    where datname = current_database() and application_name = 'splitcart readiness'";
const CUT: &str = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = 'splitcart readiness'";

#[tokio::test]
async fn readiness_keeps_one_connection_and_replaces_it_when_it_is_cut() {
    let world = World::start().await;
    let database = &world.market.database;
    assert_eq!(world.server.operations("/readyz").await.0, 200);
    let first = database.count(NEWEST).await;
    for _ in 0..10 {
        assert_eq!(world.server.operations("/readyz").await.0, 200);
    }
    assert_eq!(database.count(ASKED).await, 1);
    assert_eq!(database.count(NEWEST).await, first, "it is the same one");

    assert_eq!(database.count(CUT).await, 1);

    // The last answer of `/readyz` is cached for a moment.
    wait::until("there is another one", async || {
        let (status, body) = world.server.operations("/readyz").await;
        assert_eq!(status, 200, "{body}");
        // The one that was cut may still be listed, or already be gone.
        let newest = database.count(NEWEST).await;
        newest != 0 && newest != first && database.count(ASKED).await == 1
    })
    .await;
}

#[tokio::test]
async fn batches_that_do_not_end_make_a_service_unready() {
    let world = World::with_settings(&[
        ("SPLITCART_TRANSACTION_MS_MAX", "60000"),
        ("SPLITCART_LOCK_MS_MAX", "60000"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "60000"),
    ])
    .await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let held = world.market.hold_stock(product).await;
    let waiting = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    assert_eq!(world.server.operations("/readyz").await.0, 200);

    wait::until("it is not ready", async || {
        world.server.operations("/readyz").await.0 == 503
    })
    .await;

    let (_, body) = world.server.operations("/readyz").await;
    let state: Value = serde_json::from_str(&body).unwrap();
    let reason = state["reasons"][0].as_str().unwrap();
    assert!(reason.contains("no batch of checkouts has ended"), "{body}");
    let problem = problem(&state, "checkouts_stalled");
    assert!(problem["for_s"].as_f64().unwrap() >= 10.0, "{body}");
    assert_eq!(world.server.operations("/livez").await.0, 200);
    held.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().status, 201);
    assert_eq!(world.server.operations("/readyz").await.0, 200);
}

/// The problem with this reason, which says since when it exists and what to do.
fn problem<'a>(state: &'a Value, reason: &str) -> &'a Value {
    let problems = state["problems"].as_array().unwrap();
    let found = problems.iter().find(|problem| problem["reason"] == reason);
    let found = found.unwrap_or_else(|| panic!("no {reason}: {state}"));
    assert!(!found["what_to_do"].as_str().unwrap().is_empty(), "{found}");
    let since = found["since"].as_str().unwrap();
    assert!(
        since.parse::<DateTime<Utc>>().unwrap() <= Utc::now(),
        "{found}"
    );
    found
}

#[tokio::test]
async fn a_service_without_problems_names_none() {
    let world = World::start().await;
    let (_, body) = world.server.operations("/readyz").await;
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(state["problems"], serde_json::json!([]));
}

/// Redis and a sink make no service unready, but are named.
#[tokio::test]
async fn what_is_not_required_is_named_with_since_when() {
    let mut world = World::start().await;
    world.redis.set("appendonly", "no").await;
    let restarted = Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    let state = async || {
        let (status, body) = restarted.operations("/readyz").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    wait::until("the risk is found", async || {
        !state().await["problems"].as_array().unwrap().is_empty()
    })
    .await;
    let found = state().await;
    let risk = problem(&found, "sink_at_risk");
    assert_eq!(
        (&risk["sink"], &risk["makes_unready"]),
        (&"stream".into(), &false.into())
    );

    world.redis.kill().await;
    let away = |state: &Value| state["redis"] == "unreachable";
    wait::until("Redis is away", async || away(&state().await)).await;
    let first = state().await;
    let since = problem(&first, "redis_unreachable")["since"].clone();
    wait::until("it has been away for a second", async || {
        let now = state().await;
        let problem = problem(&now, "redis_unreachable");
        // Whoever noticed it first, the time stays, or is corrected to an earlier one.
        let (since, then) = (since.as_str(), problem["since"].as_str());
        assert!(then <= since, "{now}");
        problem["for_s"].as_f64().unwrap() >= 1.0
    })
    .await;
}

#[tokio::test]
async fn a_postgresql_that_is_away_and_one_that_is_not_migrated_are_different_reasons() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let postgres = PrivatePostgres::start_at(&dir.path().join("data"))
        .await
        .unwrap();
    let redis = Redis::start().await;
    let server = Server::start(postgres.database_url(), &redis.url, &[]).await;
    let state = async || {
        let (status, body) = server.operations("/readyz").await;
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let mut admin = PgConnection::connect(postgres.database_url())
        .await
        .unwrap();
    sqlx::query("delete from _sqlx_migrations where version = 18")
        .execute(&mut admin)
        .await
        .unwrap();
    wait::until("it is not migrated", async || state().await.0 == 503).await;
    problem(&state().await.1, "postgresql_not_migrated");
    drop(admin);
    signal(postgres.pid().unwrap(), "KILL");
    drop(postgres);
    wait::until("PostgreSQL is away", async || {
        state().await.1["postgresql"] == "unreachable"
    })
    .await;
    let (status, away) = state().await;
    assert_eq!(status, 503);
    let away = problem(&away, "postgresql_unreachable");
    assert!(
        away["what_to_do"].as_str().unwrap().contains("running"),
        "{away}"
    );
}
