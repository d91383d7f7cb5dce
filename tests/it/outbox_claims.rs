//! Claims by themselves: a claim is a fence, and PostgreSQL's clock decides about it. A relay that was
//! paused for longer than its claim changes nothing about the event any more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use splitcart::{
    db::outbox::{self, ClaimedEvent, Event, LookBack},
    domain::ids::EventId,
};
use sqlx::PgConnection;
use uuid::{NoContext, Timestamp, Uuid};

use crate::support::Database;

const DAY: Duration = Duration::from_hours(24);

fn event(id: Uuid, created_at: DateTime<Utc>) -> Event {
    Event {
        id: EventId::new(id),
        event_type: "test".to_owned(),
        aggregate_type: "test".to_owned(),
        aggregate_id: id,
        payload: serde_json::json!({}),
        created_at,
        actor: None,
        traceparent: None,
    }
}

async fn announce_one(connection: &mut PgConnection, claim_for: Duration) -> Vec<ClaimedEvent> {
    let new = vec![event(Uuid::now_v7(), Utc::now())];
    let claimed = outbox::announce(connection, new, claim_for).await.unwrap();
    assert_eq!(claimed.len(), 1);
    claimed
}

/// Makes "stream" the primary sink: no other sink marks events.
async fn serve_stream(connection: &mut PgConnection) {
    let sinks = ["stream".to_owned()];
    outbox::settle_sinks(connection, &sinks).await.unwrap();
}

async fn claim(connection: &mut PgConnection) -> Vec<ClaimedEvent> {
    outbox::claim(connection, 10, DAY, LookBack::Everything)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_claim_that_has_ended_changes_nothing() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    serve_stream(&mut connection).await;
    let first = announce_one(&mut connection, Duration::ZERO).await;
    assert!(!first[0].claim.holds());
    let second = claim(&mut connection).await;
    assert_eq!(second[0].event.id, first[0].event.id);
    assert!(second[0].claim.holds());
    let late = &first[0];
    let contents = database.contents().await;

    let marked = outbox::mark_published(&mut connection, &[late], "stream").await;
    let released = outbox::release(&mut connection, &[late], "late").await;
    let postponed = outbox::postpone(&mut connection, late, DAY, "late").await;
    let buried = outbox::move_to_dead_letters(&mut connection, late, "late").await;

    let changed = [marked, released, postponed, buried];
    assert_eq!(changed.map(Result::unwrap), [0; 4]);
    assert_eq!(database.contents().await, contents);
    let marked = outbox::mark_published(&mut connection, &[&second[0]], "stream").await;
    assert_eq!(marked.unwrap(), 1, "the later claim is valid");
}

#[tokio::test]
async fn an_event_that_is_published_is_neither_marked_again_nor_buried() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    serve_stream(&mut connection).await;
    let claimed = announce_one(&mut connection, DAY).await;
    let events = [&claimed[0]];
    let marked = outbox::mark_published(&mut connection, &events, "stream").await;
    assert_eq!(marked.unwrap(), 1);
    let contents = database.contents().await;

    let marked = outbox::mark_published(&mut connection, &events, "stream").await;
    let released = outbox::release(&mut connection, &events, "late").await;
    let postponed = outbox::postpone(&mut connection, events[0], DAY, "late").await;
    let buried = outbox::move_to_dead_letters(&mut connection, events[0], "late").await;

    let changed = [marked, released, postponed, buried];
    assert_eq!(changed.map(Result::unwrap), [0; 4]);
    assert_eq!(database.contents().await, contents);
}

/// By its own clock, an instance that is an hour behind would write claims that have expired already,
/// and one that is an hour ahead would keep other relays from its events for an hour.
#[tokio::test]
async fn a_writer_s_claim_is_told_by_the_database_s_clock_whatever_its_own_says() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    serve_stream(&mut connection).await;
    let hour = TimeDelta::hours(1);
    let wrong = [Utc::now() - hour, Utc::now() + hour];
    let new = wrong.map(|time| event(Uuid::now_v7(), time)).to_vec();
    let lease = Duration::from_mins(1);

    outbox::announce(&mut connection, new, lease).await.unwrap();

    let claimed_for_a_minute = "select count(*) from outbox_events
        where next_attempt_at between now() + interval '30 s' and now() + interval '60 s'";
    assert_eq!(database.count(claimed_for_a_minute).await, 2);
    assert!(claim(&mut connection).await.is_empty());
}

#[tokio::test]
async fn a_look_at_what_is_recent_passes_over_what_has_been_due_for_longer() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    serve_stream(&mut connection).await;
    let old = announce_one(&mut connection, Duration::ZERO).await;
    database
        .run("update outbox_events set next_attempt_at = now() - interval '2 minutes'")
        .await;
    let young = announce_one(&mut connection, Duration::ZERO).await;
    let recent = LookBack::Recent(Duration::from_mins(1));

    let found = outbox::claim(&mut connection, 10, DAY, recent).await;

    let ids = |found: &[ClaimedEvent]| found.iter().map(|it| it.event.id).collect::<Vec<_>>();
    assert_eq!(ids(&found.unwrap()), [young[0].event.id]);
    assert_eq!(ids(&claim(&mut connection).await), [old[0].event.id]);
}

#[tokio::test]
async fn no_more_events_are_counted_than_the_gauge_needs() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    serve_stream(&mut connection).await;
    database
        .run(
            "insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload,
                created_at)
             select gen_random_uuid(), 'test', 'test', gen_random_uuid(), '{}',
                now() - interval '100 s'
             from generate_series(1, 10100)",
        )
        .await;

    let lag = outbox::lag(&mut connection).await.unwrap();

    assert_eq!(lag.waiting, outbox::COUNTED_MAX + 1);
    assert!((100.0..200.0).contains(&lag.oldest_s), "{lag:?}");
}

/// A UUIDv7 with this time.
fn id_of(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0))
}

#[tokio::test]
async fn published_events_are_removed_after_their_retention_and_no_others() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    serve_stream(&mut connection).await;
    let days_ago = |days| Utc::now() - TimeDelta::days(days);
    let ids = [9, 9, 9, 8, 8, 1].map(|days| id_of(days_ago(days)));
    let new = ids.map(|id| event(id, Utc::now())).to_vec();
    let claimed = outbox::announce(&mut connection, new, DAY).await.unwrap();
    // All are published but one of those that are eight days old.
    let published: Vec<_> = claimed
        .iter()
        .filter(|it| it.event.id.uuid() != ids[4])
        .collect();
    outbox::mark_published(&mut connection, &published, "stream")
        .await
        .unwrap();
    database
        .run(
            "update outbox_events set published_at = now() - interval '8 days'
             where published_at is not null",
        )
        .await;

    let mut after = EventId::new(Uuid::nil());
    let mut removed = Vec::new();
    loop {
        let swept = outbox::sweep_published(&mut connection, after, 7 * DAY, 2, &[]).await;
        let swept = swept.unwrap();
        removed.push(swept.removed);
        match swept.last {
            Some(last) => after = last,
            None => break,
        }
    }

    assert_eq!(removed, [2, 2, 0]);
    let left: Vec<Uuid> = sqlx::query_scalar("select id from outbox_events order by id")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    assert_eq!(left, [ids[4], ids[5]]);
}
