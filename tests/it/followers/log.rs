//! The log of events by itself: its order, and how long it is kept.

use std::{collections::BTreeSet, time::Duration};

use splitcart::{
    db::outbox::{self, ClaimedEvent, Event, LookBack},
    domain::ids::EventId,
};
use sqlx::PgConnection;
use uuid::{NoContext, Timestamp, Uuid};

use crate::support::Database;

const DAY: Duration = Duration::from_hours(24);

fn event(id: Uuid) -> Event {
    Event {
        id: EventId::new(id),
        event_type: "test".to_owned(),
        aggregate_type: "test".to_owned(),
        aggregate_id: id,
        payload: serde_json::json!({}),
        created_at: chrono::Utc::now(),
        actor: None,
        traceparent: None,
    }
}

async fn announce(connection: &mut PgConnection, count: usize) -> Vec<ClaimedEvent> {
    let events = (0..count).map(|_| event(Uuid::now_v7())).collect();
    outbox::announce(connection, events, DAY).await.unwrap()
}

async fn serve(database: &Database, sinks: &[&str]) {
    let mut connection = database.pool.acquire().await.unwrap();
    let sinks: Vec<_> = sinks.iter().map(ToString::to_string).collect();
    outbox::settle_sinks(&mut connection, &sinks).await.unwrap();
}

/// Relays mark, the sequencer passes, and a reader goes on from the last place that it has seen: it meets
/// every event, although the places are committed by several at once.
#[tokio::test]
async fn a_reader_that_goes_on_from_its_place_misses_no_event() {
    const RELAYS: usize = 4;
    const BATCHES: usize = 60;
    let database = Database::create().await;
    serve(&database, &["stream"]).await;
    let relays = (0..RELAYS).map(|nr| {
        let pool = database.pool.clone();
        tokio::spawn(async move {
            let mut connection = pool.acquire().await.unwrap();
            for batch in 0..BATCHES {
                let claimed = announce(&mut connection, 1 + (batch + nr) % 5).await;
                let claimed: Vec<_> = claimed.iter().collect();
                outbox::mark_published(&mut connection, &claimed, "stream")
                    .await
                    .unwrap();
            }
        })
    });
    let relays: Vec<_> = relays.collect();
    let pool = database.pool.clone();
    let sequencer = tokio::spawn(async move {
        let mut connection = pool.acquire().await.unwrap();
        loop {
            let everything = LookBack::Everything;
            outbox::sequence_waiting(&mut connection, everything, 100)
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    });

    let mut connection = database.pool.acquire().await.unwrap();
    let (mut place, mut seen) = (0, BTreeSet::new());
    let mut is_over = false;
    loop {
        let events = outbox::read_log(&mut connection, place, 50).await.unwrap();
        for event in &events {
            assert!(event.seq > place);
            place = event.seq;
            assert!(seen.insert(event.event.id), "an event has one place");
        }
        if events.is_empty() && is_over {
            break;
        }
        is_over = relays.iter().all(tokio::task::JoinHandle::is_finished);
    }
    sequencer.abort();
    for relay in relays {
        relay.await.unwrap();
    }
    let all = database.count("select count(*) from outbox_events").await;
    assert!(all >= i64::try_from(RELAYS * BATCHES).unwrap());
    assert_eq!(i64::try_from(seen.len()).unwrap(), all);
    assert_eq!(outbox::log_end(&mut connection).await.unwrap(), place);
}

/// A sink that is not configured any more keeps nothing; nor does a dead letter that was discarded.
#[tokio::test]
async fn a_published_event_stays_while_a_follower_has_yet_to_take_it() {
    let database = Database::create().await;
    serve(&database, &["stream", "copy"]).await;
    let mut connection = database.pool.acquire().await.unwrap();
    let month_ago = chrono::Utc::now() - chrono::TimeDelta::days(30);
    let seconds = u64::try_from(month_ago.timestamp()).unwrap();
    let old = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0));
    let events = vec![event(old)];
    let claimed = outbox::announce(&mut connection, events, DAY)
        .await
        .unwrap();
    outbox::mark_published(&mut connection, &[&claimed[0]], "stream")
        .await
        .unwrap();
    database
        .run("update outbox_events set published_at = now() - interval '29 days'")
        .await;
    let first = EventId::new(Uuid::nil());
    let sweep = async |connection: &mut PgConnection, followers: &[&str]| {
        let followers: Vec<_> = followers.iter().map(ToString::to_string).collect();
        let swept = outbox::sweep_published(connection, first, 7 * DAY, 10, &followers).await;
        swept.unwrap().removed
    };

    assert_eq!(sweep(&mut connection, &["copy"]).await, 0);

    let (owned, _) = outbox::own_follower(&mut connection, "copy", Uuid::now_v7(), DAY)
        .await
        .unwrap()
        .unwrap();
    let log = outbox::read_log(&mut connection, 0, 10).await.unwrap();
    let refused = [(&log[0], Some("too large".to_owned()))];
    outbox::add_to_backlog(&mut connection, &owned, &refused, DAY)
        .await
        .unwrap();
    let place = log[0].seq;
    let owned = outbox::save_progress(&mut connection, &owned, place, DAY)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        sweep(&mut connection, &["copy"]).await,
        0,
        "it stands in the backlog"
    );

    outbox::remove_from_backlog(&mut connection, &owned, &[place])
        .await
        .unwrap();
    assert_eq!(sweep(&mut connection, &["copy"]).await, 1);
}

/// Whoever has lost a follower changes nothing about it any more.
#[tokio::test]
async fn an_ownership_that_another_instance_has_taken_changes_nothing() {
    let database = Database::create().await;
    serve(&database, &["stream", "copy"]).await;
    let mut connection = database.pool.acquire().await.unwrap();
    announce(&mut connection, 2).await;
    outbox::sequence_waiting(&mut connection, LookBack::Everything, 10)
        .await
        .unwrap();
    let log = outbox::read_log(&mut connection, 0, 10).await.unwrap();
    let own = async |connection: &mut PgConnection, lease| {
        let instance = Uuid::now_v7();
        outbox::own_follower(connection, "copy", instance, lease)
            .await
            .unwrap()
    };
    let (late, _) = own(&mut connection, Duration::ZERO).await.unwrap();
    let (owner, place) = own(&mut connection, DAY).await.unwrap();
    assert_eq!(place, 0);
    assert!(!late.holds() && owner.holds());
    assert!(own(&mut connection, DAY).await.is_none(), "it is owned");
    let refused = [(&log[0], None)];
    outbox::add_to_backlog(&mut connection, &owner, &refused, DAY)
        .await
        .unwrap();
    let contents = database.contents().await;

    let seq = log[0].seq;
    let added = outbox::add_to_backlog(&mut connection, &late, &[(&log[1], None)], DAY).await;
    let removed = outbox::remove_from_backlog(&mut connection, &late, &[seq]).await;
    let counted = outbox::count_refusal_in_backlog(&mut connection, &late, seq, None, "late").await;
    let saved = outbox::save_progress(&mut connection, &late, 99, DAY)
        .await
        .unwrap();
    outbox::give_up_follower(&mut connection, &late, 99, None)
        .await
        .unwrap();

    assert_eq!([added, removed, counted].map(Result::unwrap), [0; 3]);
    assert!(saved.is_none());
    assert_eq!(database.contents().await, contents);
    let removed = outbox::remove_from_backlog(&mut connection, &owner, &[seq]).await;
    assert_eq!(removed.unwrap(), 1, "the owner's right is valid");
}

/// The statistics say that nothing waits, and an old snapshot keeps the dead entries of what was published:
/// no statement about single aggregates may walk along them.
#[tokio::test]
async fn an_old_snapshot_makes_no_event_in_order_dear() {
    const PUBLISHED: i64 = 20_000;
    const ORDERS: usize = 20;
    let database = Database::create().await;
    serve(&database, &["stream"]).await;
    let mut connection = database.pool.acquire().await.unwrap();
    let fill = format!(
        "insert into outbox_events (
            id, event_type, aggregate_type, aggregate_id, payload, next_attempt_at)
         select gen_random_uuid(), 'order_created', 'checkout_group', gen_random_uuid(), '{{}}',
            now() - interval '1 hour'
         from generate_series(1, {PUBLISHED})"
    );
    database.run(&fill).await;
    let mut old = database.pool.begin().await.unwrap();
    for statement in [
        "set transaction isolation level repeatable read",
        "select count(*) from outbox_events",
    ] {
        sqlx::query(statement).execute(&mut *old).await.unwrap();
    }
    database
        .run("update outbox_events set published_at = now()")
        .await;
    database.run("analyze outbox_events").await;
    let walked = async |connection: &mut PgConnection| {
        sqlx::query("select pg_stat_force_next_flush()")
            .execute(&mut *connection)
            .await
            .unwrap();
        let read = "select idx_tup_read from pg_stat_user_indexes
                    where indexrelname = 'outbox_events_unpublished_idx'";
        sqlx::query_scalar::<_, i64>(read)
            .fetch_one(connection)
            .await
            .unwrap()
    };
    let before = walked(&mut connection).await;

    let orders: Vec<_> = (0..ORDERS).map(|_| Uuid::now_v7()).collect();
    for nr in 0..3 {
        let events = orders.iter().map(|order| Event {
            aggregate_id: *order,
            event_type: format!("test_{nr}"),
            ..event(Uuid::now_v7())
        });
        outbox::announce_in_order(&mut connection, events.collect(), Duration::ZERO)
            .await
            .unwrap();
    }
    let claimed = outbox::claim_next_in_order(&mut connection, &orders, DAY)
        .await
        .unwrap();
    assert_eq!(claimed.len(), ORDERS);
    let recent = LookBack::Recent(outbox::RECENTLY_WRITTEN);
    let found = outbox::sequence_waiting(&mut connection, recent, 1000)
        .await
        .unwrap();
    assert_eq!(found, 3 * ORDERS as u64);

    let read = walked(&mut connection).await - before;
    assert!(read < PUBLISHED / 10, "{read} entries were read");
    drop(old);
}
