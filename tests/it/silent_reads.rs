//! Connections to PostgreSQL that fall silent during reads: the reads are answered over new
//! connections, within two seconds.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{
    Database, Market, Redis, Server, World, market::cart_of, silent_proxy::SilentProxy,
};

#[tokio::test]
async fn reads_over_silent_connections_are_answered_from_new_ones_within_two_seconds() {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let proxy = SilentProxy::before_postgres(&database.url).await;
    let one_worker = [("SPLITCART_HTTP_WORKERS", "1")];
    let server = Server::start(&proxy.url(), &redis.url, &one_worker).await;
    let world = World {
        server,
        redis,
        market: Market::new(database),
    };
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    client.freeze(&cart_of(&[(product, 1)])).await;
    // All of the pool's connections are in use, and none has rested.
    let warm = join_all((0..24).map(|_| client.get_cart())).await;
    assert!(warm.iter().all(|reply| reply.status == 200));

    proxy.silence();
    let started = Instant::now();
    let replies = join_all((0..24).map(|_| client.get_cart())).await;
    let took = started.elapsed();

    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(
        took >= Duration::from_millis(250),
        "no read met a silent connection: {took:?}"
    );
    assert!(proxy.silenced() > 0);
    assert_eq!(world.server.operations("/readyz").await.0, 200);
}
