//! The Redis of keys and first answers: away, refusing, unfit.

use std::net::TcpListener;

use super::set_up::SetUp;
use crate::support::Redis;

async fn command(redis: &Redis, words: &[&str]) {
    let mut connection = redis.connect().await.unwrap();
    ::redis::cmd(words[0])
        .arg(&words[1..])
        .query_async::<::redis::Value>(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_named() {
    let mut set_up = SetUp::new().await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    set_up.keys.url = format!("redis://{closed}");
    let report = set_up.examine().await;
    report.assert_names_only(&["redis.reachable"]);
    assert!(
        report
            .found("redis.reachable")
            .contains(&closed.to_string())
    );
}

#[tokio::test]
async fn a_wrong_password_of_redis_is_named() {
    let mut set_up = SetUp::new().await;
    set_up.keys.set("requirepass", "right").await;
    set_up.keys.url = format!("{}?pass=mistyped", set_up.keys.url);
    let report = set_up.examine().await;
    report.assert_names_only(&["redis.reachable"]);
    assert!(!report.found("redis.reachable").contains("mistyped"));
}

#[tokio::test]
async fn a_replica_in_the_place_of_the_primary_is_named() {
    let set_up = SetUp::new().await;
    command(&set_up.keys, &["REPLICAOF", "127.0.0.1", "1"]).await;
    set_up
        .examine()
        .await
        .assert_names(&["redis.role"], &["machine.service"]);
}

#[tokio::test]
async fn a_user_without_the_right_to_run_scripts_is_named() {
    let mut set_up = SetUp::new().await;
    let rights = [
        "ACL",
        "SETUSER",
        "weak",
        "on",
        ">secret",
        "~*",
        "+@all",
        "-@scripting",
    ];
    command(&set_up.keys, &rights).await;
    set_up.keys.url = format!("{}?user=weak&pass=secret", set_up.keys.url);
    set_up
        .examine()
        .await
        .assert_names(&["redis.scripts"], &["machine.service"]);
}

/// A user with the rights that serving needs and no others.
#[tokio::test]
async fn what_a_user_may_not_ask_is_not_seen_and_does_no_harm() {
    let mut set_up = SetUp::new().await;
    let rights = [
        "ACL",
        "SETUSER",
        "serving",
        "on",
        ">secret",
        "~splitcart:*",
        "+ping",
        "+evalsha",
        "+script|load",
    ];
    command(&set_up.keys, &rights).await;
    set_up.keys.url = format!("{}?user=serving&pass=secret", set_up.keys.url);
    let unseen = [
        "machine.service",
        "redis.version",
        "redis.role",
        "redis.clock",
    ];
    set_up.examine().await.assert_names(&[], &unseen);
}
