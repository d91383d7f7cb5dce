//! PostgreSQL, or a pooler in front of it, refuses every login: at start that is reported, while
//! serving it is survived, and it never leads to a flood of logins.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Database, Market, Redis, Server, World,
    pooler::{Logins, Pooler},
    server::refusal_to_start,
    wait,
};

const CUT: &str = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name like 'splitcart %'";

async fn world_behind_a_pooler(settings: &[(&str, &str)]) -> (World, Pooler) {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let pooler = Pooler::before(&database.url, Logins::Pass).await;
    let server = Server::start(&pooler.url(), &redis.url, settings).await;
    let world = World {
        server,
        redis,
        market: Market::new(database),
    };
    (world, pooler)
}

/// Our own settings are no parameters, but a URL may have some.
#[tokio::test]
async fn a_pooler_that_refuses_parameters_is_told_at_start() {
    let database = Database::create().await;
    let pooler = Pooler::before(&database.url, Logins::RefuseOptions).await;
    let redis = Redis::start().await;
    drop(Server::start(&pooler.url(), &redis.url, &[]).await);
    assert_eq!(pooler.refused(), 0, "none of our logins has options");

    let url = format!("{}&options=-c%20jit%3Doff", pooler.url());
    let told =
        tokio::task::spawn_blocking(move || refusal_to_start(&[("SPLITCART_DATABASE_URL", &url)]));
    let told = told.await.unwrap();
    assert!(
        told.contains("unsupported startup parameter: options"),
        "{told}"
    );
    assert!(told.contains("PgBouncer"), "{told}");
    assert_eq!(pooler.refused(), 1);
}

#[tokio::test]
async fn failing_logins_are_few_and_readiness_says_why() {
    let (world, pooler) = world_behind_a_pooler(&[]).await;
    let client = world.client(&world.market.buyer().await);
    assert_eq!(client.get_cart().await.status, 404);

    pooler.treat(Logins::Refuse);
    assert!(world.market.database.count(CUT).await > 0);
    let started = Instant::now();
    let mut refused = 0;
    for _ in 0..400 {
        let reply = client.get_cart().await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        refused += 1;
    }
    let logins = pooler.refused();

    // The first logins of each worker, the relay's, and then one per pause. The watcher of PostgreSQL and the
    // console log in once a second each.
    let took = started.elapsed();
    let most = 30 + 8 * usize::try_from(took.as_secs()).unwrap();
    assert!(
        logins > 0 && logins <= most,
        "{logins} for {refused} requests in {took:?}"
    );
    let (status, body) = world.server.operations("/readyz").await;
    assert_eq!(status, 503);
    let state: Value = serde_json::from_str(&body).unwrap();
    let reason = state["reasons"][0].as_str().unwrap();
    assert!(reason.contains("unsupported startup parameter"), "{body}");

    pooler.treat(Logins::Pass);
    wait::until("it serves again", async || {
        client.get_cart().await.status == 404
    })
    .await;
    // The last answer of `/readyz` is cached for a moment.
    wait::until("it is ready again", async || {
        world.server.operations("/readyz").await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn a_server_that_takes_nobody_new_leaves_a_service_ready_and_serving() {
    let (world, pooler) = world_behind_a_pooler(&[("SPLITCART_HTTP_WORKERS", "1")]).await;
    let client = world.client(&world.market.buyer().await);
    wait::until("readiness has its connection", async || {
        world.server.operations("/readyz").await.0 == 200
    })
    .await;
    // On a busy machine the service may have given up a connection that did not answer in time.
    wait::until("a connection is there for requests", async || {
        assert_eq!(client.get_cart().await.status, 404);
        let idle = "splitcart_pool_connections{pool=\"http\",state=\"idle\"}";
        world.server.metric(idle).await > 0.0
    })
    .await;

    pooler.treat(Logins::Full);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        // More requests at a time than there are connections: they take turns.
        let replies = futures_util::future::join_all((0..16).map(|_| client.get_cart())).await;
        for reply in replies {
            assert_eq!(reply.status, 404, "{}", reply.text());
        }
        let (status, body) = world.server.operations("/readyz").await;
        assert_eq!(status, 200, "{body}");
    }

    assert!(pooler.refused() > 0, "another connection was requested");
    let waited_for_a_login = "reading again on another connection";
    let log = world.server.log();
    assert!(
        !log.iter().any(|line| line.contains(waited_for_a_login)),
        "{log:#?}"
    );
}
