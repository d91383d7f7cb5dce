//! The outbox relay: every committed checkout is announced at least once, whatever the broker and
//! the relays do (PF-082).

use std::collections::BTreeSet;

use crate::support::{
    Server, Shopper, World, assert_consistent,
    crowd::{check_out_together, together},
    market::cart_of,
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

/// The groups that the stream tells of, and how many entries it has.
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
    let settings = [
        ("SPLITCART_OUTBOX_CLAIM_MAX", "3"),
        ("SPLITCART_OUTBOX_POLL_MS", "10"),
        ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
        ("SPLITCART_BATCH_MAX", "4"),
    ];
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

/// A broker that refuses what it is sent: the attempt is counted and the event waits.
#[tokio::test]
async fn a_refused_event_is_tried_again_and_published_when_the_broker_takes_it() {
    let world = World::start().await;
    let shoppers = shoppers(&world, 3).await;
    occupy_the_stream(&world).await;

    let replies = check_out_together(&shoppers).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    let counted = "select count(*) from outbox_events
                   where attempts > 0 and last_error like '%WRONGTYPE%'";
    wait::until("every refusal is counted", async || {
        world.market.database.count(counted).await == 3
    })
    .await;
    assert!(world.server.metric("splitcart_outbox_refused").await >= 3.0);
    world.redis.empty().await;
    until_all_are_marked(&world).await;
    assert_eq!(announced(&world).await, (bought(&world).await, 3));
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn an_event_that_is_refused_too_often_becomes_a_dead_letter_and_checkouts_go_on() {
    let world = World::with_settings(&[("SPLITCART_OUTBOX_ATTEMPTS_MAX", "1")]).await;
    let shoppers = shoppers(&world, 4).await;
    occupy_the_stream(&world).await;

    let replies = check_out_together(&shoppers[..3]).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    let dead = "select count(*) from outbox_dead_letters where reason = 'max_attempts'
                and attempts = 1 and last_error like '%WRONGTYPE%'";
    wait::until("all three are dead letters", async || {
        world.market.database.count(dead).await == 3
    })
    .await;
    let left = "select count(*) from outbox_events";
    assert_eq!(world.market.database.count(left).await, 0);
    world.redis.empty().await;
    assert_eq!(shoppers[3].check_out().await.status, 201);
    until_all_are_marked(&world).await;
    assert_eq!(announced(&world).await.1, 1);
    assert_consistent(&world.market.database).await;
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
