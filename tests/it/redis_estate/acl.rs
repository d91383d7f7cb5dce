//! A user of Redis with the rights that `docs/redis.md` names, and no others.

use std::collections::{BTreeSet, HashMap};

use private_servers::RedisRole;
use serde_json::json;

use crate::support::{Client, RedisServer, client::fresh_key, patience::SLOW_REDIS, wait};

use super::Shop;

/// Gives the documented user to these servers, with further rights, and returns `user:password`.
pub async fn add_documented_user(servers: &[RedisServer], further: &[&str]) -> String {
    let user = documented_user();
    for server in servers {
        let words = user
            .iter()
            .map(String::as_str)
            .chain(further.iter().copied());
        server.tell(&words.collect::<Vec<_>>()).await;
    }
    let password = user.iter().find_map(|word| word.strip_prefix('>')).unwrap();
    format!("splitcart:{password}")
}

/// The line of the documentation, in words.
fn documented_user() -> Vec<String> {
    let page = include_str!("../../../docs/redis.md");
    let line = page
        .lines()
        .find(|line| line.starts_with("ACL SETUSER splitcart "));
    let line = line.expect("the page has the line");
    line.split(' ').map(str::to_owned).collect()
}

/// The commands that Redis has carried out, as it counts them.
async fn commands_used(redis: &RedisServer) -> BTreeSet<String> {
    let stats: String = redis.ask(&["INFO", "commandstats"]).await.unwrap();
    let lines = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"));
    let used = lines.filter(|line| !line.contains(":calls=0,"));
    used.filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect()
}

/// The commands that users lacked the right to.
async fn refused_commands(redis: &RedisServer) -> BTreeSet<String> {
    let log: Vec<HashMap<String, redis::Value>> = redis.ask(&["ACL", "LOG"]).await.unwrap();
    let commands = log.into_iter().map(|mut refusal| {
        let command = refusal.remove("object").unwrap();
        redis::from_redis_value(command).unwrap()
    });
    // The name and version of a client's library, which Redis 7.2 and newer ask for. It goes on without.
    let mut commands: BTreeSet<String> = commands.collect();
    commands.remove("client|setinfo");
    commands
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_each_is_needed() {
    let redis = RedisServer::start(RedisRole::Alone, "").await;
    let login = add_documented_user(std::slice::from_ref(&redis), &[]).await;
    redis.tell(&["CONFIG", "RESETSTAT"]).await;
    let url = format!("redis://{login}@{}", redis.address());
    // A short lease, so that a claim is renewed while its checkout waits.
    let lease = ("SPLITCART_IDEMPOTENCY_CLAIM_LEASE_MS", "100");
    let shop = Shop::open(&url, &[lease, SLOW_REDIS]).await;

    // A claim that is renewed, an answer that is kept and repeated, an event.
    let held = shop.market.hold_stock(shop.product).await;
    let shopper = shop.shopper().await;
    let slow = tokio::spawn(Client::send(shopper.request()));
    wait::until("a claim is renewed", async || {
        let stats: String = redis.ask(&["INFO", "commandstats"]).await.unwrap();
        stats.contains("cmdstat_hget:")
    })
    .await;
    held.rollback().await.unwrap();
    let first = slow.await.unwrap();
    assert_eq!(first.status, 201, "{}", first.text());
    super::assert_is_replay(&shopper.check_out().await, &first);
    assert_eq!(shop.replays_from("redis").await, 1.0);
    shop.until_published().await;
    // A claim that is released.
    let body = json!({ "cart_id": uuid::Uuid::now_v7() });
    let refused = shopper.client.checkout_request(&fresh_key(), &body);
    assert_eq!(Client::send(refused).await.status, 404);
    assert_eq!(shop.redis_state().await.0, "ready");
    let version = format!("at {} answers (primary)", redis.address());
    shop.server.until_logged(&version).await;

    assert_eq!(shop.failures().await, 0.0);
    assert_eq!(refused_commands(&redis).await, BTreeSet::new());
    let used = commands_used(&redis).await;
    let documented = documented_user();
    let granted = documented.iter().filter_map(|word| word.strip_prefix('+'));
    let granted: BTreeSet<_> = granted.map(str::to_owned).collect();
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "granted and not needed: {unused:?}");
}
