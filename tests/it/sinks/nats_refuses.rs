//! A NATS that refuses: one event for its size, or everything.

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use crate::support::{brokers::Nats, wait};

use super::world::{STREAM, SinkWorld, nats_sink};

/// The first refusal that counts makes an event a dead letter.
const ONE_ATTEMPT: (&str, &str) = ("SPLITCART_OUTBOX_ATTEMPTS_MAX", "1");

#[tokio::test]
async fn an_event_too_large_for_nats_is_a_dead_letter_there_alone() {
    let nats = Nats::with_settings("max_payload: 65536", None).await;
    let settings = [("SPLITCART_OUTBOX_ATTEMPTS_MAX", "2")];
    let world = SinkWorld::with_settings(&[STREAM, &nats_sink(&nats.url(), "")], &settings).await;
    world.announce(0).await;
    nats.until_there_are(5).await;

    world.announce_large(1, 100_000).await;
    world.announce(2).await;

    let waiting = "select count(*) from outbox_backlog where dead_at is null";
    let database = &world.market.database;
    wait::until("it and the one behind it wait", async || {
        database.count(waiting).await == 2
    })
    .await;
    // Five at first, and then those of the other four aggregates.
    nats.until_there_are(9).await;
    let behind = |events: &[serde_json::Value]| {
        let first = world.first().to_string();
        let of_first = events.iter().filter(|it| it["aggregate_id"] == first);
        of_first
            .map(|it| it["data"]["nr"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(behind(&nats.events().await), [0]);

    let dead = "select count(*) from outbox_backlog where dead_at is not null";
    wait::until("it is a dead letter", async || {
        database.count(dead).await == 1
    })
    .await;
    nats.until_there_are(10).await;
    assert_eq!(behind(&nats.events().await), [0, 2]);
    assert_eq!(behind(&world.redis.any_events().await), [0, 1, 2]);
    let of_primary = "select count(*) from outbox_dead_letters";
    assert_eq!(database.count(of_primary).await, 0);
}

/// A stream of the operator's that is full, and keeps what it has.
#[tokio::test]
async fn a_full_stream_buries_no_event_and_goes_on_by_itself() {
    let nats = Nats::start().await;
    let jetstream = nats.jetstream().await;
    let full = Config {
        name: "splitcart".to_owned(),
        subjects: vec!["splitcart.>".to_owned()],
        discard: DiscardPolicy::New,
        max_messages: 1,
        ..Config::default()
    };
    jetstream.create_stream(full.clone()).await.unwrap();
    let world =
        SinkWorld::with_settings(&[STREAM, &nats_sink(&nats.url(), "")], &[ONE_ATTEMPT]).await;
    for nr in 0..3 {
        world.announce(nr).await;
    }
    world.until_down("nats", "full").await;
    wait::until("it was tried again", async || {
        let metric = "splitcart_outbox_sink_failures_total{sink=\"nats\",reason=\"full\"}";
        world.server.metric(metric).await >= 3.0
    })
    .await;
    assert_eq!(nats.messages().await.len(), 1);
    world.assert_nothing_blamed().await;

    let roomy = Config {
        max_messages: 1000,
        ..full
    };
    jetstream.update_stream(roomy).await.unwrap();

    nats.until_there_are(15).await;
    world.until_up("nats").await;
    world.assert_in_order(&nats.events().await, 0..3);
    world.assert_nothing_blamed().await;
}

/// A stream of the operator's with a limit that no event keeps: each refusal is about the event's size, and yet
/// nothing passes.
#[tokio::test]
async fn a_stream_that_takes_only_shorter_messages_buries_no_event() {
    let nats = Nats::start().await;
    let jetstream = nats.jetstream().await;
    let narrow = Config {
        name: "splitcart".to_owned(),
        subjects: vec!["splitcart.>".to_owned()],
        max_message_size: 100,
        ..Config::default()
    };
    jetstream.create_stream(narrow.clone()).await.unwrap();
    let world =
        SinkWorld::with_settings(&[STREAM, &nats_sink(&nats.url(), "")], &[ONE_ATTEMPT]).await;
    for nr in 0..3 {
        world.announce(nr).await;
    }
    world.until_down("nats", "refusing").await;
    wait::until("it was tried again", async || {
        let metric = "splitcart_outbox_sink_failures_total{sink=\"nats\",reason=\"refusing\"}";
        world.server.metric(metric).await >= 3.0
    })
    .await;
    world.assert_nothing_blamed().await;

    let wide = Config {
        max_message_size: 100_000,
        ..narrow
    };
    jetstream.update_stream(wide).await.unwrap();

    nats.until_there_are(15).await;
    world.until_up("nats").await;
    world.assert_in_order(&nats.events().await, 0..3);
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_sealed_stream_buries_no_event() {
    let nats = Nats::start().await;
    let world = SinkWorld::with_settings(&[&nats_sink(&nats.url(), "")], &[ONE_ATTEMPT]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
    let jetstream = nats.jetstream().await;
    let stream = jetstream.get_stream("splitcart").await.unwrap();
    let sealed = Config {
        sealed: true,
        ..stream.cached_info().config.clone()
    };
    jetstream.update_stream(sealed).await.unwrap();

    world.announce(1).await;

    world.until_down("nats", "not_allowed").await;
    world.server.until_logged("sealed").await;
    world.assert_nothing_blamed().await;
    jetstream.delete_stream("splitcart").await.unwrap();
    nats.until_there_are(5).await;
    world.assert_in_order(&nats.events().await, 1..2);
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_without_being_told_itself() {
    let account = "authorization { user: events, password: right-one }";
    let nats = Nats::with_settings(account, Some(("events", "right-one"))).await;
    let url = nats.url();
    let login = |password: &str| format!("user = \"events\"\npassword = \"{password}\"");
    let world = SinkWorld::with_settings(
        &[STREAM, &nats_sink(&url, &login("wrong-one"))],
        &[ONE_ATTEMPT],
    )
    .await;
    world.announce(0).await;
    world.until_down("nats", "not_allowed").await;
    world.assert_nothing_blamed().await;
    assert!(nats.messages().await.is_empty());
    let told = world.server.log().join("\n");
    assert!(told.contains("authorization violation"), "{told}");
    assert!(!told.contains("wrong-one"), "{told}");
}

#[tokio::test]
async fn the_right_password_in_a_file_opens_nats() {
    let account = "authorization { user: events, password: right-one }";
    let nats = Nats::with_settings(account, Some(("events", "right-one"))).await;
    let url = nats.url();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "right-one\n").unwrap();
    let login = format!(
        "user = \"events\"\npassword_file = \"{}\"",
        file.path().display()
    );
    let world = SinkWorld::start(&[&nats_sink(&url, &login)]).await;
    world.announce(0).await;
    nats.until_there_are(5).await;
}

/// Such a user gets no acknowledgement: the server complains apart from it.
#[tokio::test]
async fn a_user_who_may_not_publish_is_told_as_such() {
    let account = "authorization { users: [
        { user: all, password: pw },
        { user: events, password: pw, permissions: {
            publish: { allow: [\"$JS.API.>\"] }, subscribe: { allow: [\"_INBOX.>\"] } } } ] }";
    let nats = Nats::with_settings(account, Some(("all", "pw"))).await;
    let login = "user = \"events\"\npassword = \"pw\"";
    let world = SinkWorld::with_settings(&[&nats_sink(&nats.url(), login)], &[ONE_ATTEMPT]).await;
    world.announce(0).await;
    world.until_down("nats", "not_allowed").await;
    world.server.until_logged("Permissions Violation").await;
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_stream_that_takes_other_subjects_is_told_with_them() {
    let nats = Nats::start().await;
    let jetstream = nats.jetstream().await;
    let other = Config {
        name: "splitcart".to_owned(),
        subjects: vec!["other.>".to_owned()],
        ..Config::default()
    };
    jetstream.create_stream(other).await.unwrap();
    let world = SinkWorld::with_settings(&[&nats_sink(&nats.url(), "")], &[ONE_ATTEMPT]).await;
    world.announce(0).await;
    world.until_down("nats", "no_stream").await;
    world
        .server
        .until_logged("does not take the subjects splitcart.> (it takes other.>)")
        .await;
    world.assert_nothing_blamed().await;
}

#[tokio::test]
async fn a_nats_without_jetstream_is_told_as_such() {
    let account = "accounts { A: { users: [ { user: a, password: pw } ] } }";
    let nats = Nats::with_settings(account, Some(("a", "pw"))).await;
    let login = "user = \"a\"
password = \"pw\"";
    let world = SinkWorld::with_settings(&[&nats_sink(&nats.url(), login)], &[ONE_ATTEMPT]).await;
    world.announce(0).await;
    wait::until("the sink is down", async || {
        world
            .server
            .metric("splitcart_outbox_sink_up{sink=\"nats\"}")
            .await
            == 0.0
    })
    .await;
    world.server.until_logged("JetStream").await;
    world.assert_nothing_blamed().await;
}
