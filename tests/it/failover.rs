//! Several hosts in the URL: the primary among them is used, at first and after a failover, over TLS with
//! certificates of both sides.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{
    Market, Redis, Server, Shopper, assert_consistent, market::cart_of,
    postgres_pair::PostgresPair, server::refusal_to_start, wait,
};

const ORDERS: &str = "select count(*) from checkout_groups";

#[tokio::test]
async fn after_a_failover_the_service_buys_at_the_new_primary() {
    let mut pair = PostgresPair::start().await;
    let hosts = [pair.standby.host(), pair.primary.host()];
    let url = pair.url(&[&hosts[0], &hosts[1]], "authority", Some("client"));
    let redis = Redis::start().await;
    let server = Server::start(&url, &redis.url, &[]).await;
    let before = pair.primary.database().await;
    let in_tls = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid)
        where application_name like 'splitcart %' and ssl and client_dn = '/CN=splitcart'";
    assert!(before.count(in_tls).await > 0);
    let without = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid)
        where application_name like 'splitcart %' and not ssl";
    assert_eq!(before.count(without).await, 0);
    let market = Market::new(before);
    let product = market.sold_product(500, 10).await;
    let mut shoppers = Vec::new();
    for _ in 0..3 {
        let cart = cart_of(&[(product, 2)]);
        shoppers.push(Shopper::with_cart(&market, &server, &cart).await);
    }
    assert_eq!(shoppers[0].insist().await.status, 201);

    pair.primary.kill().await;
    let away = shoppers[1].check_out().await;
    assert_eq!(away.status, 503, "{}", away.text());
    let after = pair.standby.database().await;
    assert_eq!(
        after.count(ORDERS).await,
        1,
        "the standby has the first order"
    );
    assert!(TcpStream::connect(pair.primary.address()).is_err());
    let promoted = Instant::now();
    pair.standby.promote().await;

    let replayed = shoppers[0].insist().await;
    assert!(replayed.is_replay(), "{}", replayed.text());
    for shopper in &shoppers[1..] {
        assert_eq!(shopper.insist().await.status, 201);
    }
    let took = promoted.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(after.count(ORDERS).await, 3);
    wait::until("it is ready", async || {
        server.operations("/readyz").await.0 == 200
    })
    .await;
    let port = hosts[0].clone();
    server
        .until_logged(&format!("primary is at {port} now"))
        .await;
    assert_consistent(&after).await;
}

async fn refusal(url: String) -> String {
    let told = tokio::task::spawn_blocking(move || {
        refusal_to_start(&[
            ("SPLITCART_DATABASE_URL", &url),
            ("SPLITCART_DATABASE_START_WAIT_S_MAX", "0"),
        ])
    });
    told.await.unwrap()
}

#[tokio::test]
async fn a_host_that_only_reads_or_that_can_t_be_trusted_is_refused() {
    let pair = PostgresPair::start().await;
    let (primary, standby) = (pair.primary.host(), pair.standby.host());
    for (url, named) in [
        (
            pair.url(&[&standby], "authority", Some("client")),
            "a standby, which only reads",
        ),
        (
            pair.url(&[&primary], "stranger", Some("client")),
            "invalid peer certificate",
        ),
        (
            pair.url(&[&pair.primary.address()], "authority", Some("client")),
            "not valid for name",
        ),
        (
            pair.url(&[&primary], "authority", None),
            "requires a valid client certificate",
        ),
        (
            pair.url(&[&primary], "authority", Some("other")),
            "certificate authentication failed",
        ),
        (
            pair.url(&[&primary], "authority", Some("nobody")),
            "nobody.crt, can't be read",
        ),
    ] {
        let told = refusal(url).await;
        assert!(told.contains(named), "{named}: {told}");
    }
    let primary = pair.primary.database().await;
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(primary.count(tables).await, 0, "nobody came in");
}
