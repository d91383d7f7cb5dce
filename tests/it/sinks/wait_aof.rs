//! `wait_aof_ms`: an event counts as published when Redis has it on disk. Against Valkey, because Debian's
//! Redis is older than WAITAOF.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Redis, wait};

use super::world::{STREAM, SinkWorld};

const ONE_ATTEMPT: (&str, &str) = ("SPLITCART_OUTBOX_ATTEMPTS_MAX", "1");
const PUBLISHED: &str = "select count(*) from outbox_events where published_at is not null";

async fn waiting_world(redis: Redis) -> SinkWorld {
    let sink = format!("{STREAM}wait_aof_ms = 300\n");
    SinkWorld::with_redis(redis, &[&sink], &[ONE_ATTEMPT]).await
}

async fn until_published(world: &SinkWorld, count: i64) {
    wait::until(&format!("{count} are published"), async || {
        world.market.database.count(PUBLISHED).await == count
    })
    .await;
}

/// With `appendfsync no` nothing reaches the disk by Valkey's doing.
#[tokio::test]
async fn an_event_counts_as_published_only_once_it_is_on_disk() {
    let redis = Redis::start_valkey().await;
    redis.set("appendfsync", "always").await;
    let world = waiting_world(redis).await;
    world.announce(0).await;
    until_published(&world, 5).await;

    world.redis.set("appendfsync", "no").await;
    world.announce(1).await;

    world.until_down("stream", "not_persisting").await;
    assert!(
        world.redis.events().await.len() >= 10,
        "they are in its memory"
    );
    assert_eq!(world.market.database.count(PUBLISHED).await, 5);
    world.assert_nothing_blamed().await;

    world.redis.set("appendfsync", "always").await;
    until_published(&world, 10).await;
    world.until_up("stream").await;
    world.assert_in_order(&world.redis.events().await, 0..2);
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_redis_without_an_append_only_file_takes_no_event_until_it_has_one() {
    let redis = Redis::start_valkey().await;
    redis.set("appendonly", "no").await;
    let world = waiting_world(redis).await;
    world.announce(0).await;
    world.until_down("stream", "not_persisting").await;
    world.server.until_logged("has no append-only file").await;
    assert_eq!(world.market.database.count(PUBLISHED).await, 0);
    world.assert_nothing_blamed().await;

    world.redis.set("appendfsync", "always").await;
    world.redis.set("appendonly", "yes").await;

    until_published(&world, 5).await;
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_redis_without_waitaof_is_told_what_it_takes() {
    let world = waiting_world(Redis::start().await).await;
    let info = redis::cmd("INFO")
        .query_async::<String>(&mut world.redis.connect().await.unwrap())
        .await
        .unwrap();
    let version = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap());
    let has_it = (parts.next().unwrap(), parts.next().unwrap()) >= (7, 2);
    world.announce(0).await;
    if has_it {
        until_published(&world, 5).await;
        return;
    }
    world.until_down("stream", "not_persisting").await;
    world.server.until_logged("it takes Redis 7.2").await;
    assert_eq!(world.market.database.count(PUBLISHED).await, 0);
    world.assert_nothing_blamed().await;
}

impl Redis {
    /// Valkey, with the same settings.
    async fn start_valkey() -> Self {
        let installed = private_servers::find_broker("valkey-server").unwrap();
        // It may run as another user, who need not reach the place of the build.
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = dir.path().join("valkey-server");
        fs::copy(installed, &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self::start_program(&program).await
    }
}
