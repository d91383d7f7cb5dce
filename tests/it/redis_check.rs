//! Messages to operators about the Redis that holds the event stream.

use crate::support::{Redis, Server, World};

async fn command(redis: &Redis, words: &[&str]) {
    let mut connection = redis.connect().await.unwrap();
    redis::cmd(words[0])
        .arg(&words[1..])
        .query_async::<redis::Value>(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_redis_that_may_forget_events_is_told_at_start() {
    let mut world = World::start().await;
    assert!(
        !world
            .server
            .log()
            .join("\n")
            .contains("Redis of the event stream")
    );
    world.redis.set("appendonly", "no").await;
    world.redis.set("maxmemory", "100mb").await;
    world.redis.set("maxmemory-policy", "allkeys-lru").await;

    world.server = Server::start(&world.market.database.url, &world.redis.url, &[]).await;

    world.server.until_logged("appendonly no").await;
    world
        .server
        .until_logged("maxmemory-policy allkeys-lru")
        .await;
}

#[tokio::test]
async fn a_redis_that_takes_no_events_is_told_at_start() {
    let mut world = World::start().await;
    command(&world.redis, &["SET", "splitcart.events", "in the way"]).await;
    let rights = [
        "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-xadd",
    ];
    command(&world.redis, &rights).await;
    command(&world.redis, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let url = format!("{}?user=reader&pass=secret", world.redis.url);

    world.server = Server::start(&world.market.database.url, &url, &[]).await;

    world.server.until_logged("holds a string").await;
    world.server.until_logged("does not take events").await;
    world.server.until_logged("is a replica").await;
    let keys = "splitcart.events";
    let mut connection = world.redis.connect().await.unwrap();
    let value: String = redis::cmd("GET")
        .arg(keys)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(value, "in the way", "to look changes nothing");
}
