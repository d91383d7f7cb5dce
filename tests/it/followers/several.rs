//! What one sink suffers does not concern the others.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::support::{assert_consistent, wait};

use super::{Stage, aggregates_on, ids_on, until_announced};

#[tokio::test]
async fn a_sink_that_is_away_holds_up_no_other_and_gets_everything_afterwards() {
    let mut stage = Stage::start().await;
    stage.primary.kill().await;
    let mut all = stage.buy(5).await;
    until_announced(&stage.follower, &all).await;
    stage.primary.restart().await;
    until_announced(&stage.primary, &all).await;

    stage.follower.freeze();
    all.extend(stage.buy(5).await);
    until_announced(&stage.primary, &all).await;
    wait::until("the follower's state is known", async || {
        stage
            .server
            .metric("splitcart_outbox_sink_up{sink=\"copy\"}")
            .await
            == 0.0
            && stage
                .server
                .metric("splitcart_outbox_sink_waiting{sink=\"copy\"}")
                .await
                == 5.0
    })
    .await;
    stage.follower.thaw();

    until_announced(&stage.follower, &all).await;
    let once = ids_on(&stage.primary).await;
    assert_eq!(once.len(), all.len(), "the primary sink was never in doubt");
    assert_eq!(
        stage
            .database()
            .count("select count(*) from outbox_backlog")
            .await,
        0
    );
    assert_consistent(stage.database()).await;
}

/// The primary sink can't take the first, so the second is not even claimed for it.
#[tokio::test]
async fn a_follower_gets_the_events_of_an_aggregate_in_order_while_the_primary_sink_is_away() {
    let mut stage = Stage::start().await;
    stage.primary.kill().await;
    let order = Uuid::now_v7();
    let mut sent = Vec::new();
    for nr in 0..5 {
        sent.push(stage.insert(order, &format!("test_{nr}"), "'x'").await);
    }
    wait::until("the follower has them", async || {
        ids_on(&stage.follower).await.len() == sent.len()
    })
    .await;
    assert_eq!(ids_on(&stage.follower).await, sent);

    stage.primary.restart().await;
    wait::until("the primary sink has them", async || {
        ids_on(&stage.primary).await.len() == sent.len()
    })
    .await;
    assert_eq!(ids_on(&stage.primary).await, sent);
}

#[tokio::test]
async fn what_a_follower_refuses_holds_up_its_aggregate_there_and_nothing_else() {
    let stage = Stage::with_settings(&[("SPLITCART_OUTBOX_ATTEMPTS_MAX", "2")]).await;
    stage.follower.set("proto-max-bulk-len", "1048576").await;
    let aggregate = Uuid::now_v7();
    let poison = stage
        .insert(aggregate, "too_large", "repeat('x', 2000000)")
        .await;
    let later = stage.insert(aggregate, "later", "'x'").await;
    let bought = stage.buy(3).await;

    let mut all = bought.clone();
    all.insert(aggregate);
    until_announced(&stage.primary, &all).await;
    wait::until("the others pass", async || {
        // Those that were sent together with the refused one, before it, may be there twice.
        let found: BTreeSet<_> = aggregates_on(&stage.follower).await.into_iter().collect();
        found.is_superset(&bought)
    })
    .await;
    let dead = "select count(*) from outbox_backlog
                where dead_at is not null and attempts = 2 and last_error is not null";
    wait::until("it is a dead letter", async || {
        stage.database().count(dead).await == 1
    })
    .await;
    wait::until("the later one passes", async || {
        ids_on(&stage.follower).await.contains(&later)
    })
    .await;
    assert!(!ids_on(&stage.follower).await.contains(&poison));
    let primary = ids_on(&stage.primary).await;
    let of_aggregate: Vec<_> = primary
        .into_iter()
        .filter(|id| [poison, later].contains(id))
        .collect();
    assert_eq!(of_aggregate, [poison, later]);
    let dead_of_primary = "select count(*) from outbox_dead_letters";
    assert_eq!(stage.database().count(dead_of_primary).await, 0);
    let buried = |sink| format!("splitcart_outbox_buried_total{{sink=\"{sink}\"}}");
    assert_eq!(stage.server.metric(&buried("copy")).await, 1.0);
    assert_eq!(stage.server.metric(&buried("stream")).await, 0.0);
}

/// Redis hangs up because of the one, so that the others of the same round trip are sent again.
#[tokio::test]
async fn what_is_sent_together_with_a_refused_event_arrives() {
    let stage = Stage::with_settings(&[("SPLITCART_OUTBOX_ATTEMPTS_MAX", "2")]).await;
    stage.follower.set("proto-max-bulk-len", "1048576").await;
    let of = |event_type, payload| (Uuid::now_v7(), event_type, payload);
    let [before, poison, after] = stage
        .insert_at_once([
            of("before", "'x'"),
            of("too_large", "repeat('x', 2000000)"),
            of("after", "'x'"),
        ])
        .await;

    wait::until("the neighbours pass", async || {
        let found: BTreeSet<_> = ids_on(&stage.follower).await.into_iter().collect();
        found == BTreeSet::from([before, after])
    })
    .await;
    let dead = "select event_id from outbox_backlog where dead_at is not null";
    wait::until("the refused one is a dead letter", async || {
        let dead = sqlx::query_scalar::<_, Uuid>(dead);
        let dead = dead.fetch_all(&stage.database().pool).await.unwrap();
        dead == [poison]
    })
    .await;
}

/// The owner of a follower was paused before it sent, and another instance has taken over.
#[cfg(feature = "faults")]
#[tokio::test]
async fn an_owner_that_slept_for_longer_than_its_lease_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let asleep = dir.path().join("asleep");
    let fault = format!("before_follow?:{}", asleep.display());
    let stage = Stage::with_settings(&[("SPLITCART_FAULT", &fault)]).await;
    let bought = stage.buy(3).await;
    wait::until("it is about to send", async || asleep.exists()).await;
    assert_eq!(ids_on(&stage.follower).await.len(), 0);
    stage.server.freeze();

    let sinks = [("stream", &stage.primary), ("copy", &stage.follower)];
    let other = stage.serve(&sinks, &[]).await;
    until_announced(&stage.follower, &bought).await;
    std::fs::remove_file(&asleep).unwrap();
    stage.server.thaw();
    stage
        .server
        .until_logged("another instance has taken over")
        .await;

    assert_eq!(ids_on(&stage.follower).await.len(), 3);
    let published = "splitcart_outbox_published_total{sink=\"copy\"}";
    assert_eq!(stage.server.metric(published).await, 0.0);
    assert_eq!(other.metric(published).await, 3.0);
}

#[tokio::test]
async fn a_sink_that_is_added_begins_with_the_events_of_that_time() {
    let mut stage = Stage::start().await;
    let before = stage.buy(2).await;
    until_announced(&stage.primary, &before).await;
    until_announced(&stage.follower, &before).await;
    stage.server.terminate();
    stage.server.ended().await;
    let third = crate::support::Redis::start().await;
    let sinks = [
        ("stream", &stage.primary),
        ("copy", &stage.follower),
        ("new", &third),
    ];
    stage.server = stage.serve(&sinks, &[]).await;

    let after = stage.buy(2).await;

    until_announced(&third, &after).await;
    let all: BTreeSet<_> = before.union(&after).copied().collect();
    until_announced(&stage.follower, &all).await;
    assert_eq!(
        ids_on(&stage.follower).await.len(),
        4,
        "no event is sent twice over a restart"
    );
}

/// The follower is behind when it becomes the primary sink: it misses nothing. The order of the settings is
/// of no consequence.
#[tokio::test]
async fn a_follower_that_becomes_the_primary_sink_misses_nothing() {
    let mut stage = Stage::start().await;
    let mut all = stage.buy(2).await;
    until_announced(&stage.follower, &all).await;
    stage.follower.kill().await;
    all.extend(stage.buy(3).await);
    until_announced(&stage.primary, &all).await;
    stage.server.terminate();
    stage.server.ended().await;
    let refused = "insert into outbox_dead_letters (id, event_type, aggregate_type, aggregate_id, payload,
            created_at, attempts, next_attempt_at, reason, seq)
         values (gen_random_uuid(), 'refused', 'test', gen_random_uuid(), '{}', now(), 9, now(), 'max_attempts',
            nextval('outbox_events_seq'))";
    stage.database().run(refused).await;
    stage.follower.restart().await;
    stage.follower.empty().await;

    stage.server = stage.serve(&[("copy", &stage.follower)], &[]).await;

    stage
        .server
        .until_logged("the primary sink is now copy")
        .await;
    let missed: BTreeSet<_> = all.clone();
    wait::until(
        "it has what it had not, also what the other one refused",
        async || ids_on(&stage.follower).await.len() == 4,
    )
    .await;
    let dead = "select count(*) from outbox_dead_letters";
    assert_eq!(stage.database().count(dead).await, 0);
    let more = stage.buy(1).await;
    wait::until("it has what is new", async || {
        aggregates_on(&stage.follower)
            .await
            .iter()
            .any(|id| more.contains(id))
    })
    .await;
    let got: BTreeSet<_> = aggregates_on(&stage.follower).await.into_iter().collect();
    let strangers = got
        .iter()
        .filter(|id| !missed.contains(id) && !more.contains(id));
    assert_eq!(strangers.count(), 1, "the dead letter");
    let unpublished = "select count(*) from outbox_events where published_at is null";
    wait::until("all are marked", async || {
        stage.database().count(unpublished).await == 0
    })
    .await;

    // An instance that still has the old settings marks nothing as published.
    let old = stage.serve(&[("stream", &stage.primary)], &[]).await;
    old.until_logged("the primary sink is now stream").await;
    stage.server.until_logged("is not among its sinks").await;
    let up = "splitcart_outbox_sink_up{sink=\"copy\"}";
    wait::until("its state says so", async || {
        stage.server.metric(up).await == 0.0
    })
    .await;
}
