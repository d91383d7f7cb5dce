//! `examples/consumer.rs`: killed in the middle, and each event's effect is there exactly once.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    Shopper, World,
    market::cart_of,
    silent_proxy::{Passes, SilentProxy},
    wait,
};

/// A consumer's process, killed when it is dropped.
struct Consumer(Child);

impl Consumer {
    fn start(name: &str, redis_url: &str, database_url: &str) -> Self {
        let consumer = command()
            .args(["--name", name, "--take-over-after-ms", "300"])
            .args(["--redis-url", redis_url, "--database-url", database_url])
            .stdin(Stdio::null())
            .spawn();
        Self(consumer.unwrap())
    }

    /// With SIGKILL.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The example beside the program under test. Cargo builds it for a whole run of the tests, and not for a
/// part of them.
fn command() -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_splitcart"));
    let example = program.with_file_name("examples").join("consumer");
    let changed = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    assert!(
        changed(&example) >= changed(&PathBuf::from("examples/consumer.rs")),
        "run `cargo build --locked --features faults --example consumer` first"
    );
    Command::new(example)
}

async fn buy(world: &World, times: usize) {
    let product = world.market.sold_product(500, 100).await;
    for _ in 0..times {
        let cart = cart_of(&[(product, 1)]);
        let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
        assert_eq!(shopper.check_out().await.status, 201);
    }
}

async fn consumed(world: &World) -> i64 {
    let exists = "select count(*) from pg_tables where schemaname = 'consumer'";
    if world.market.database.count(exists).await < 2 {
        return 0;
    }
    let consumed = "select count(*) from consumer.consumed_events";
    world.market.database.count(consumed).await
}

/// The sum of all effects.
async fn effects(world: &World) -> i64 {
    let effects = "select coalesce(sum(count), 0)::bigint from consumer.events_by_type";
    world.market.database.count(effects).await
}

async fn until_consumed(world: &World, count: i64) {
    wait::until("the events are consumed", async || {
        consumed(world).await == count
    })
    .await;
}

/// The entries that were read and not acknowledged.
async fn pending(world: &World) -> i64 {
    let mut redis = world.redis.connect().await.unwrap();
    let reply: redis::Value = redis::cmd("XPENDING")
        .arg(&["splitcart.events", "counts"])
        .query_async(&mut redis)
        .await
        .unwrap();
    let redis::Value::Array(parts) = reply else {
        panic!("{reply:?}");
    };
    redis::from_redis_value(parts[0].clone()).unwrap()
}

#[tokio::test]
async fn each_effect_is_there_once_though_the_consumer_is_killed_at_each_half() {
    let world = World::start().await;
    let (redis_url, database_url) = (&world.redis.url, &world.market.database.url);
    buy(&world, 1).await;
    let first = Consumer::start("first", redis_url, database_url);
    until_consumed(&world, 1).await;
    let mut held = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from consumer.events_by_type for update")
        .execute(&mut *held)
        .await
        .unwrap();

    // The id is written, and its effect waits for a row that is held.
    buy(&world, 5).await;
    let waits = "select count(*) from pg_stat_activity
                 where application_name = 'consumer first' and wait_event_type = 'Lock'";
    wait::until("the effect waits", async || {
        world.market.database.count(waits).await == 1
    })
    .await;
    first.kill();
    held.rollback().await.unwrap();
    assert_eq!((consumed(&world).await, effects(&world).await), (1, 1));
    assert!(pending(&world).await >= 1);

    // The effect is committed, and its acknowledgement is lost.
    let proxy = SilentProxy::before_redis(redis_url).await;
    proxy.silence_at("xack", Passes::Lost);
    let second = Consumer::start("second", &proxy.url(), database_url);
    wait::until("an acknowledgement is lost", async || proxy.silenced() == 1).await;
    second.kill();
    assert_eq!((consumed(&world).await, effects(&world).await), (2, 2));
    let left = pending(&world).await;
    assert!(left >= 1, "it is still pending");

    let _third = Consumer::start("third", redis_url, database_url);
    until_consumed(&world, 6).await;
    wait::until("nothing is pending", async || pending(&world).await == 0).await;
    assert_eq!((consumed(&world).await, effects(&world).await), (6, 6));
}

#[tokio::test]
async fn a_repetition_has_no_effect_and_what_is_no_event_holds_up_no_other() {
    let world = World::start().await;
    buy(&world, 2).await;
    wait::until("both are on the stream", async || {
        world.redis.events().await.len() == 2
    })
    .await;
    let events = world.redis.events().await;
    let mut redis = world.redis.connect().await.unwrap();
    let mut add = async |event: &str| {
        let added = redis::cmd("XADD")
            .arg(&["splitcart.events", "*", "event", event])
            .to_owned();
        added.query_async::<()>(&mut redis).await.unwrap();
    };
    add("{").await;
    let again: Vec<_> = events.iter().map(Value::to_string).collect();
    for event in &again {
        add(event).await;
    }

    let _consumer = Consumer::start("only", &world.redis.url, &world.market.database.url);
    buy(&world, 1).await;

    until_consumed(&world, 3).await;
    wait::until("nothing is pending", async || pending(&world).await == 0).await;
    assert_eq!(effects(&world).await, 3);
}

#[test]
fn the_consumer_explains_itself() {
    let output = command().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("exactly once") && help.contains("--take-over-after-ms"),
        "{help}"
    );
}
