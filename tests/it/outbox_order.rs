//! Events of one order are published in the order in which they happened, whichever instances wrote and
//! publish them, and whatever is refused or postponed meanwhile.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use splitcart::{
    db::outbox::{self, ClaimedEvent, Event, LookBack},
    domain::{
        event::EventActor,
        ids::{EventId, StoreId, UserId},
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::{Database, Server, Shopper, World, market::cart_of, wait};

const DAY: Duration = Duration::from_hours(24);

/// An event of an order, which happened `nr` microseconds after `start`.
fn event(order: Uuid, start: DateTime<Utc>, nr: i64) -> Event {
    Event {
        id: EventId::new(Uuid::now_v7()),
        event_type: "order_decided".to_owned(),
        aggregate_type: "vendor_order".to_owned(),
        aggregate_id: order,
        payload: serde_json::json!({ "nr": nr }),
        created_at: start + TimeDelta::microseconds(nr),
        actor: Some(EventActor {
            user_id: UserId::new(Uuid::from_u128(7)),
            store_id: StoreId::new(Uuid::from_u128(8)),
        }),
        traceparent: None,
    }
}

async fn announce(
    connection: &mut PgConnection,
    events: Vec<Event>,
    claim_for: Duration,
) -> Vec<ClaimedEvent> {
    outbox::announce_in_order(connection, events, claim_for)
        .await
        .unwrap()
}

async fn claim(connection: &mut PgConnection) -> Vec<ClaimedEvent> {
    outbox::claim(connection, 10, DAY, LookBack::Everything)
        .await
        .unwrap()
}

async fn claim_next(connection: &mut PgConnection, order: Uuid) -> Vec<ClaimedEvent> {
    outbox::claim_next_in_order(connection, &[order], DAY)
        .await
        .unwrap()
}

fn numbers(events: &[ClaimedEvent]) -> Vec<i64> {
    let number = |it: &ClaimedEvent| it.event.payload["nr"].as_i64().unwrap();
    events.iter().map(number).collect()
}

#[tokio::test]
async fn a_writer_claims_an_event_only_if_no_earlier_one_of_the_order_waits() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let sinks = ["stream".to_owned()];
    outbox::settle_sinks(&mut connection, &sinks).await.unwrap();
    let (order, other, start) = (Uuid::now_v7(), Uuid::now_v7(), Utc::now());

    // Two moves of one order in one transaction, the later one first, and one of another order.
    let three = vec![
        event(order, start, 2),
        event(order, start, 1),
        event(other, start, 3),
    ];
    let first = announce(&mut connection, three, DAY).await;
    let behind = announce(&mut connection, vec![event(order, start, 4)], DAY).await;

    assert_eq!(numbers(&first), [1, 3]);
    assert_eq!(numbers(&behind), [0; 0]);
    outbox::mark_published(&mut connection, &[&first[1]], "stream")
        .await
        .unwrap();
    let later = announce(&mut connection, vec![event(other, start, 5)], DAY).await;
    assert_eq!(numbers(&later), [5]);
    let due = "select count(*) from outbox_events where next_attempt_at <= now()";
    assert_eq!(database.count(due).await, 2, "for a relay");
}

#[tokio::test]
async fn a_relay_claims_no_event_past_an_earlier_one_of_the_order() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let sinks = ["stream".to_owned()];
    outbox::settle_sinks(&mut connection, &sinks).await.unwrap();
    let (order, start) = (Uuid::now_v7(), Utc::now());
    // The ids don't tell the sequence: instances' clocks differ.
    let events = [3, 2, 1].map(|nr| event(order, start, nr)).to_vec();
    announce(&mut connection, events, Duration::ZERO).await;

    for nr in 1..=3 {
        let claimed = claim(&mut connection).await;
        assert_eq!(numbers(&claimed), [nr]);
        assert!(claim(&mut connection).await.is_empty(), "{nr} is under way");
        assert!(claim_next(&mut connection, order).await.is_empty());
        outbox::mark_published(&mut connection, &[&claimed[0]], "stream")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_event_that_waits_holds_back_its_order_alone_until_it_is_dead() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let sinks = ["stream".to_owned()];
    outbox::settle_sinks(&mut connection, &sinks).await.unwrap();
    let (order, other, start) = (Uuid::now_v7(), Uuid::now_v7(), Utc::now());
    let events = [
        event(order, start, 1),
        event(order, start, 2),
        event(other, start, 3),
    ];
    let claimed = announce(&mut connection, events.to_vec(), Duration::ZERO).await;

    let postponed = outbox::postpone(&mut connection, &claimed[0], DAY, "refused").await;

    assert_eq!(postponed.unwrap(), 1);
    assert_eq!(numbers(&claim(&mut connection).await), [3]);
    assert!(claim_next(&mut connection, order).await.is_empty());
    database
        .run("update outbox_events set next_attempt_at = now() where payload ->> 'nr' = '1'")
        .await;
    let again = claim(&mut connection).await;
    assert_eq!(numbers(&again), [1]);
    outbox::move_to_dead_letters(&mut connection, &again[0], "refused")
        .await
        .unwrap();
    let next = claim_next(&mut connection, order).await;
    assert_eq!(numbers(&next), [2]);
    let actors = "select count(*) from outbox_dead_letters
                  where actor_user_id = '00000000-0000-0000-0000-000000000007'
                     and actor_store_id = '00000000-0000-0000-0000-000000000008'";
    assert_eq!(database.count(actors).await, 1);
}

#[tokio::test]
async fn the_next_event_of_an_order_is_found_however_long_it_has_waited() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let sinks = ["stream".to_owned()];
    outbox::settle_sinks(&mut connection, &sinks).await.unwrap();
    let (order, start) = (Uuid::now_v7(), Utc::now());
    let events = [1, 2].map(|nr| event(order, start, nr)).to_vec();
    let claimed = announce(&mut connection, events, DAY).await;
    database
        .run(
            "update outbox_events set next_attempt_at = now() - interval '1 hour'
              where payload ->> 'nr' = '2'",
        )
        .await;
    outbox::mark_published(&mut connection, &[&claimed[0]], "stream")
        .await
        .unwrap();

    let next = claim_next(&mut connection, order).await;

    assert_eq!(numbers(&next), [2]);
    assert!(next[0].claim.holds());
    assert_eq!(next[0].event.actor, event(order, start, 2).actor);
    assert!(
        claim_next(&mut connection, order).await.is_empty(),
        "it is claimed"
    );
}

/// Two instances' relays, and an event in the middle that Redis refuses while others pass.
#[tokio::test]
async fn a_chain_of_events_keeps_its_sequence_over_relays_and_refusals() {
    let settings = [
        ("SPLITCART_OUTBOX_ATTEMPTS_MAX", "2"),
        ("SPLITCART_OUTBOX_POLL_MS", "10"),
        ("SPLITCART_OUTBOX_CLAIM_MAX", "7"),
    ];
    let world = World::with_settings(&settings).await;
    let _other = Server::start(&world.market.database.url, &world.redis.url, &settings).await;
    world.redis.set("proto-max-bulk-len", "1048576").await;
    let orders: Vec<_> = (0..20).map(|_| Uuid::now_v7()).collect();
    let start = Utc::now();
    let mut connection = world.market.database.pool.acquire().await.unwrap();
    for nr in 0..10 {
        let mut events: Vec<_> = orders
            .iter()
            .map(|order| event(*order, start, nr))
            .collect();
        if nr == 4 {
            events[0].payload["too_large"] = "x".repeat(2_000_000).into();
        }
        // Claims of a process that has died.
        announce(&mut connection, events, Duration::ZERO).await;
    }

    let waiting = "select count(*) from outbox_events where published_at is null";
    wait::until("all are published or dead", async || {
        world.market.database.count(waiting).await == 0
    })
    .await;

    let stream = world.redis.any_events().await;
    for (order, which) in orders.iter().zip(0..) {
        let of_order = stream
            .iter()
            .filter(|it| it["aggregate_id"] == order.to_string());
        let numbers: Vec<_> = of_order
            .map(|it| it["data"]["nr"].as_i64().unwrap())
            .collect();
        let expected: Vec<_> = (0..10).filter(|nr| which > 0 || *nr != 4).collect();
        assert_eq!(numbers, expected, "order {which}");
    }
    assert_eq!(
        stream[0]["actor"]["user_id"],
        Uuid::from_u128(7).to_string()
    );
    let dead = "select count(*) from outbox_dead_letters where payload ->> 'nr' = '4'";
    assert_eq!(world.market.database.count(dead).await, 1);
}

/// The relay looks once an hour: what follows must not wait for that.
#[tokio::test]
async fn an_event_that_waits_for_another_takes_no_polling_interval() {
    let settings = [("SPLITCART_OUTBOX_CLAIM_LEASE_S", "1")];
    let mut world = World::with_settings(&settings).await;
    world.server.terminate();
    world.server.ended().await;
    let (order, start) = (Uuid::now_v7(), Utc::now());
    let mut connection = world.market.database.pool.acquire().await.unwrap();
    let events = (0..50).map(|nr| event(order, start, nr)).collect();
    announce(&mut connection, events, Duration::ZERO).await;
    // With an interval for each, they would take longer than the test waits.
    let slow = [("SPLITCART_OUTBOX_POLL_MS", "2000")];
    let began = Instant::now();

    let (url, redis) = (&world.market.database.url, &world.redis.url);
    world.server = Server::start(url, redis, &slow).await;

    wait::until("all are on the stream", async || {
        world.redis.any_events().await.len() == 50
    })
    .await;
    let numbers = world.redis.any_events().await;
    let numbers = numbers.iter().map(|it| it["data"]["nr"].as_i64().unwrap());
    assert!(numbers.eq(0..50), "after {:?}", began.elapsed());
}

/// The actor of an `order_created` is in its group, and is published as before.
#[tokio::test]
async fn a_checkout_s_event_names_the_buyer_when_another_process_publishes_it() {
    let mut world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    assert_eq!(shopper.check_out().await.status, 201);
    world.server.terminate();
    world.server.ended().await;
    world
        .market
        .database
        .run("update outbox_events set published_at = null, next_attempt_at = now()")
        .await;

    let (url, redis) = (&world.market.database.url, &world.redis.url);
    world.server = Server::start(url, redis, &[]).await;

    wait::until("it is published twice", async || {
        world.redis.any_events().await.len() == 2
    })
    .await;
    let events = world.redis.any_events().await;
    assert_eq!(events[0], events[1]);
    assert!(events[0]["actor"]["user_id"].is_string());
}
