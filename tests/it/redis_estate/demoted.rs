//! A server that is configured by its address and becomes a replica for a while.

use private_servers::RedisRole;

use crate::support::{RedisServer, wait};

use super::{NO_PAUSE, Shop, assert_is_replay};

#[tokio::test]
async fn a_redis_that_refuses_writes_for_a_while_is_used_again_without_a_restart() {
    let redis = RedisServer::start(RedisRole::Alone, "").await;
    let url = format!("redis://{}", redis.address());
    let one_worker = ("SPLITCART_HTTP_WORKERS", "1");
    let shop = Shop::open(&url, &[NO_PAUSE, one_worker]).await;
    shop.until_redis_replays().await;

    redis.tell(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let shopper = shop.shopper().await;
    let first = shopper.check_out().await;
    assert_eq!(first.status, 201, "{}", first.text());
    assert_is_replay(&shopper.check_out().await, &first);
    let errors: String = redis.ask(&["INFO", "errorstats"]).await.unwrap();
    assert!(errors.contains("errorstat_READONLY:"), "{errors}");
    assert!(shop.failures().await > 0.0);
    wait::until("readiness names the role", async || {
        let (state, servers) = shop.redis_state().await;
        state.contains("it is a replica") && servers[0]["role"] == "replica"
    })
    .await;
    redis.tell(&["REPLICAOF", "NO", "ONE"]).await;

    shop.until_redis_replays().await;
    shop.until_published().await;
    shop.assert_bought_once(&[(shopper, first)]).await;
}
