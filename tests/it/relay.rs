//! The outbox relay: every committed checkout is announced at least once, whatever the broker and the
//! relays do (PF-082).

use std::collections::BTreeSet;

use crate::support::{
    Redis, Server, Shopper, World, assert_consistent,
    crowd::{check_out_together, together},
    market::cart_of,
    patience::patient,
    wait,
};

async fn shoppers(world: &World, count: usize) -> Vec<Shopper> {
    let product = world.market.sold_product(500, 1000).await;
    let carts = vec![cart_of(&[(product, 1)]); count];
    Shopper::with_carts(&world.market, &world.server, &carts).await
}

async fn until_all_are_marked(world: &World) {
    let waiting = "select count(*) from outbox_events where published_at is null";
    wait::until("every event is marked", async || {
        world.market.database.count(waiting).await == 0
    })
    .await;
}

/// The groups that the stream announces, and the number of its entries.
async fn announced(world: &World) -> (BTreeSet<String>, usize) {
    let events = world.redis.events().await;
    let groups = events
        .iter()
        .map(|event| event["aggregate_id"].as_str().unwrap().to_owned());
    (groups.collect(), events.len())
}

async fn bought(world: &World) -> BTreeSet<String> {
    let ids: Vec<String> = sqlx::query_scalar("select id::text from checkout_groups")
        .fetch_all(&world.market.database.pool)
        .await
        .unwrap();
    ids.into_iter().collect()
}

#[tokio::test]
async fn a_broker_that_was_away_gets_every_event_and_no_event_is_blamed() {
    let mut world = World::with_settings(&[("SPLITCART_OUTBOX_ATTEMPTS_MAX", "1")]).await;
    let shoppers = shoppers(&world, 10).await;
    world.redis.kill().await;
    let replies = check_out_together(&shoppers).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    let tried = "select count(*) from outbox_events
                 where published_at is null and last_error is not null";
    wait::until("the relay has tried in vain", async || {
        world.market.database.count(tried).await > 0
    })
    .await;
    let blamed = "select count(*) from outbox_events where attempts > 0";
    let dead = "select count(*) from outbox_dead_letters";
    assert_eq!(world.market.database.count(blamed).await, 0);

    world.redis.restart().await;

    until_all_are_marked(&world).await;
    assert_eq!(announced(&world).await, (bought(&world).await, 10));
    assert_eq!(world.market.database.count(blamed).await, 0);
    assert_eq!(world.market.database.count(dead).await, 0);
    assert_consistent(&world.market.database).await;
}

/// At least once: the second publication carries the same id.
#[cfg(feature = "faults")]
#[tokio::test]
async fn a_relay_killed_between_publishing_and_marking_publishes_the_same_event_again() {
    let dir = tempfile::tempdir().unwrap();
    let reached = dir.path().join("reached");
    let fault = format!("after_publish:{}", reached.display());
    let lease = ("SPLITCART_OUTBOX_CLAIM_LEASE_S", "1");
    let mut world = World::with_settings(&[lease, ("SPLITCART_FAULT", &fault)]).await;
    let shoppers = shoppers(&world, 1).await;
    let replies = check_out_together(&shoppers).await;
    assert_eq!(replies[0].status, 201);
    wait::until("it has published", async || reached.exists()).await;
    let waiting = "select count(*) from outbox_events where published_at is null";
    assert_eq!(world.market.database.count(waiting).await, 1);
    assert_eq!(world.redis.events().await.len(), 1);
    world.server.kill();

    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    world.server = Server::start(database_url, redis_url, &[lease]).await;

    until_all_are_marked(&world).await;
    let events = world.redis.events().await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], events[1]);
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn two_relays_publish_each_event_once() {
    let settings = patient(&[
        ("SPLITCART_OUTBOX_CLAIM_MAX", "3"),
        ("SPLITCART_OUTBOX_POLL_MS", "10"),
        ("SPLITCART_BATCH_MAX", "4"),
    ]);
    let world = World::with_settings(&settings).await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &settings).await;
    let shoppers = shoppers(&world, 60).await;
    let requests = shoppers
        .iter()
        .enumerate()
        .map(|(nr, shopper)| match nr % 2 {
            0 => shopper.request(),
            _ => shopper.at(&other).request(),
        });

    let replies = together(requests).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    until_all_are_marked(&world).await;
    // No lease has ended, so nothing was published twice.
    assert_eq!(announced(&world).await, (bought(&world).await, 60));
    for server in [&world.server, &other] {
        assert!(server.metric("splitcart_outbox_published").await > 0.0);
    }
    assert_consistent(&world.market.database).await;
}

/// A Redis error about Redis itself is no event's fault, however often it occurs.
#[tokio::test]
async fn a_key_that_is_no_stream_blames_no_event() {
    let world = World::with_settings(&BLAMED_AT_ONCE).await;
    let shoppers = shoppers(&world, 3).await;
    occupy_the_stream(&world).await;

    let replies = check_out_together(&shoppers).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    until_the_sink_has_failed(&world, "wrong_type").await;
    assert_eq!(world.server.metric("splitcart_outbox_sink_up").await, 0.0);
    assert_nothing_is_blamed(&world).await;
    world.redis.empty().await;
    until_all_are_marked(&world).await;
    assert_eq!(world.server.metric("splitcart_outbox_sink_up").await, 1.0);
    assert_eq!(announced(&world).await, (bought(&world).await, 3));
    assert_nothing_is_blamed(&world).await;
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn a_redis_that_is_busy_with_a_script_blames_no_event() {
    let world = World::with_settings(&BLAMED_AT_ONCE).await;
    let shoppers = shoppers(&world, 3).await;
    world.redis.set("lua-time-limit", "50").await;
    let mut connection = world.redis.connect().await.unwrap();
    let script = tokio::spawn(async move {
        redis::cmd("EVAL")
            .arg("while true do end")
            .arg(0)
            .query_async::<()>(&mut connection)
            .await
    });
    let mut other = world.redis.connect().await.unwrap();
    wait::until("redis is busy", async || {
        let ping = redis::cmd("PING").query_async::<()>(&mut other).await;
        ping.is_err_and(|error| error.code() == Some("BUSY"))
    })
    .await;

    let replies = check_out_together(&shoppers).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    until_the_sink_has_failed(&world, "busy").await;
    assert_nothing_is_blamed(&world).await;
    redis::cmd("SCRIPT")
        .arg("KILL")
        .query_async::<()>(&mut other)
        .await
        .unwrap();
    assert!(script.await.unwrap().is_err(), "the script was killed");
    until_all_are_marked(&world).await;
    assert_eq!(announced(&world).await.0, bought(&world).await);
    assert_nothing_is_blamed(&world).await;
    assert_consistent(&world.market.database).await;
}

/// Redis hangs up on an event that is larger than it takes. Only while others pass is that the event's
/// fault.
#[tokio::test]
async fn an_event_that_is_refused_while_others_pass_becomes_a_dead_letter_and_the_rest_flows() {
    let world = World::with_settings(&[("SPLITCART_OUTBOX_ATTEMPTS_MAX", "2")]).await;
    let shoppers = shoppers(&world, 4).await;
    world.redis.set("proto-max-bulk-len", "1048576").await;
    let before = check_out_together(&shoppers[..2]).await;
    insert_event(&world, "too_large", "repeat('x', 2000000)", "now()").await;
    let after = check_out_together(&shoppers[2..]).await;

    assert!(before.iter().chain(&after).all(|reply| reply.status == 201));
    let dead = "select count(*) from outbox_dead_letters where event_type = 'too_large'
                and reason = 'max_attempts' and attempts = 2 and last_error is not null";
    wait::until("it is a dead letter", async || {
        world.market.database.count(dead).await == 1
    })
    .await;
    until_all_are_marked(&world).await;
    assert_eq!(announced(&world).await.0, bought(&world).await);
    assert_eq!(world.server.metric("splitcart_outbox_refused").await, 2.0);
    assert_eq!(world.server.metric("splitcart_outbox_buried").await, 1.0);
    assert_consistent(&world.market.database).await;
}

/// An event, inserted by hand, with a time that no calendar has.
#[tokio::test]
async fn an_event_of_an_impossible_time_does_not_stop_its_neighbours() {
    let world = World::start().await;
    let shoppers = shoppers(&world, 2).await;
    for time in ["'infinity'", "'-infinity'", "now()"] {
        insert_event(&world, "by_hand", "'x'", time).await;
    }

    assert_eq!(check_out_together(&shoppers).await[1].status, 201);

    until_all_are_marked(&world).await;
    assert_eq!(world.redis.any_events().await.len(), 5);
    let waiting = "splitcart_outbox_waiting";
    wait::until("the gauge tells", async || {
        world.server.metric("splitcart_outbox_measured").await > 0.0
            && world.server.metric(waiting).await == 0.0
    })
    .await;
}

/// The relay was paused between claiming and publishing, and another instance did its work meanwhile.
#[cfg(feature = "faults")]
#[tokio::test]
async fn a_relay_that_slept_for_longer_than_its_claim_publishes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let asleep = dir.path().join("asleep");
    let fault = format!("before_publish?:{}", asleep.display());
    let lease = ("SPLITCART_OUTBOX_CLAIM_LEASE_S", "1");
    let world = World::with_settings(&[lease, ("SPLITCART_FAULT", &fault)]).await;
    let shoppers = shoppers(&world, 2).await;
    let replies = check_out_together(&shoppers).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    wait::until("it is about to publish", async || asleep.exists()).await;
    world.server.freeze();

    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &[lease]).await;
    until_all_are_marked(&world).await;
    std::fs::remove_file(&asleep).unwrap();
    world.server.thaw();

    wait::until("it sees that its claims have ended", async || {
        world.server.metric("splitcart_outbox_claims_ended").await > 0.0
    })
    .await;
    assert_eq!(announced(&world).await, (bought(&world).await, 2));
    assert_eq!(world.server.metric("splitcart_outbox_published").await, 0.0);
    assert_eq!(other.metric("splitcart_outbox_published").await, 2.0);
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn the_event_stream_may_have_a_redis_of_its_own() {
    let own = Redis::start().await;
    let world = World::with_settings(&[("SPLITCART_OUTBOX_REDIS_URL", &own.url)]).await;
    let shoppers = shoppers(&world, 2).await;

    assert_eq!(check_out_together(&shoppers).await[1].status, 201);

    until_all_are_marked(&world).await;
    assert_eq!(own.events().await.len(), 2);
    assert_eq!(world.redis.events().await.len(), 0);
    assert!(shoppers[0].check_out().await.is_replay());
    let replays = "splitcart_replays_total{source=\"redis\"}";
    assert_eq!(world.server.metric(replays).await, 1.0);
}

/// With this setting the first refusal that counts against an event makes it a dead letter.
const BLAMED_AT_ONCE: [(&str, &str); 1] = [("SPLITCART_OUTBOX_ATTEMPTS_MAX", "1")];

/// Waits until publishing has failed more than once: it is retried, and the failure counts against no
/// event.
async fn until_the_sink_has_failed(world: &World, reason: &str) {
    let metric =
        format!("splitcart_outbox_sink_failures_total{{sink=\"stream\",reason=\"{reason}\"}}");
    wait::until("the relay has tried in vain", async || {
        world.server.metric(&metric).await >= 2.0
    })
    .await;
}

async fn assert_nothing_is_blamed(world: &World) {
    let blamed = "select count(*) from outbox_events where attempts > 0";
    let dead = "select count(*) from outbox_dead_letters";
    assert_eq!(world.market.database.count(blamed).await, 0);
    assert_eq!(world.market.database.count(dead).await, 0);
}

/// Inserts an event that the service did not write. The last two arguments are SQL.
async fn insert_event(world: &World, event_type: &str, payload: &str, created_at: &str) {
    let statement = format!(
        "insert into outbox_events (
            id, event_type, aggregate_type, aggregate_id, payload, created_at)
         values ('{}', '{event_type}', 'test', gen_random_uuid(), to_jsonb({payload}::text),
            {created_at})",
        uuid::Uuid::now_v7()
    );
    world.market.database.run(&statement).await;
}

/// Puts a value of another type where the stream should be.
async fn occupy_the_stream(world: &World) {
    let mut connection = world.redis.connect().await.unwrap();
    redis::cmd("SET")
        .arg("splitcart.events")
        .arg("in the way")
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
}
