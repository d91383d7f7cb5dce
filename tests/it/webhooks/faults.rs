//! Endpoints that fail for long, and instances that die.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use splitcart::{db, domain::ids::EventId};

use super::{Stage, create, send, send_json};
use crate::support::{
    receiver::{Answer, Received, Receiver},
    wait,
};

#[tokio::test]
async fn a_failed_delivery_is_tried_again_after_five_seconds_and_then_later() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Status(503));
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    send(
        &stage.buyer,
        Method::POST,
        &format!("{}/test", endpoint.path()),
    )
    .await;

    let failed = endpoint.until_tried(&stage.buyer, "failed").await;

    assert_eq!(failed["error"], "the answer is 503");
    let pauses = "select count(*) from webhook_deliveries w join webhook_deliveries f
        on f.event_id = w.event_id and f.attempt = w.attempt - 1
        where w.outcome is null
            and w.due_at between f.at + interval '5 seconds' and f.at + interval '8 seconds'";
    assert_eq!(stage.count(pauses).await, 1);
    let came = receiver.until_received(2).await;
    assert_eq!(came[0].id(), came[1].id());
    let third = "select count(*) from webhook_deliveries w
        where attempt = 3 and outcome is null
            and due_at between now() + interval '4 minutes' and now() + interval '7 minutes'";
    wait::until("the third attempt waits", async || {
        stage.count(third).await == 1
    })
    .await;
    stage
        .run("update webhook_deliveries set attempt = 10 where outcome is null")
        .await;
    stage.make_due().await;
    let waiting = "select count(*) from webhook_deliveries where outcome is null";
    wait::until("nothing waits after the tenth", async || {
        stage.count(waiting).await == 0
    })
    .await;
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_six_days_or_is_gone_is_disabled_and_can_be_switched_on_again() {
    let stage = Stage::start().await;
    // The first one's next attempt finds its receiver, too.
    let mut receivers = Vec::new();
    for (status, reason, prepare) in [
        (
            500,
            "failing",
            "update webhook_endpoints
             set failing_since = now() - interval '6 days', failed_at = now() - interval '1 day'",
        ),
        (410, "gone", "select 1"),
    ] {
        let receiver = Receiver::start().await;
        receiver.answer(Answer::Status(status));
        let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
        stage.run(prepare).await;

        send(
            &stage.buyer,
            Method::POST,
            &format!("{}/test", endpoint.path()),
        )
        .await;

        wait::until("it is disabled", async || {
            let found = stage.buyer.get(&endpoint.path()).await.data();
            found["is_active"] == false && found["disabled_reason"] == reason
        })
        .await;
        let tests = send(
            &stage.buyer,
            Method::POST,
            &format!("{}/test", endpoint.path()),
        )
        .await;
        assert_eq!(tests.status, 400);
        receiver.answer(Answer::Status(200));
        let on = json!({ "is_active": true });
        let on = send_json(&stage.buyer, Method::PATCH, &endpoint.path(), &on).await;
        assert_eq!(on.data()["disabled_reason"], Value::Null);
        send(
            &stage.buyer,
            Method::POST,
            &format!("{}/test", endpoint.path()),
        )
        .await;
        endpoint.until_tried(&stage.buyer, "delivered").await;
        receivers.push(receiver);
    }
    let ill = "select count(*) from webhook_endpoints where failing_since is not null";
    assert_eq!(stage.count(ill).await, 0);
    assert!(
        stage
            .world
            .server
            .metric("splitcart_webhook_endpoints_disabled_total")
            .await
            >= 2.0
    );
}

#[tokio::test]
async fn a_failure_after_a_long_time_without_any_begins_anew() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Status(500));
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    stage
        .run(
            "update webhook_endpoints
             set failing_since = now() - interval '6 days', failed_at = now() - interval '3 days'",
        )
        .await;

    let test = format!("{}/test", endpoint.path());
    send(&stage.buyer, Method::POST, &test).await;

    endpoint.until_tried(&stage.buyer, "failed").await;
    let well = "select count(*) from webhook_endpoints
        where is_active and failing_since > now() - interval '1 minute' and failed_at = failing_since";
    assert_eq!(stage.count(well).await, 1);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_four_days_is_tried_on() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Status(500));
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    stage
        .run(
            "update webhook_endpoints
             set failing_since = now() - interval '4 days', failed_at = now() - interval '1 day'",
        )
        .await;

    send(
        &stage.buyer,
        Method::POST,
        &format!("{}/test", endpoint.path()),
    )
    .await;

    endpoint.until_tried(&stage.buyer, "failed").await;
    assert_eq!(
        stage.buyer.get(&endpoint.path()).await.data()["is_active"],
        true
    );
}

#[tokio::test]
async fn an_instance_that_dies_after_the_post_has_it_repeated_with_the_same_id() {
    let mut stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("reached");
    let fault = format!("after_webhook:{}", file.display());
    stage.world.server.kill();
    let mut dying = stage.another_server(&[("SPLITCART_FAULT", &fault)]).await;
    let owner = stage.buyer.on(&dying);
    send(&owner, Method::POST, &format!("{}/test", endpoint.path())).await;
    wait::until("the fault struck", async || file.exists()).await;
    assert_eq!(receiver.received().len(), 1);

    dying.kill();

    let unrecorded = "select count(*) from webhook_deliveries
        where outcome is null and claimed_until > now()";
    assert_eq!(stage.count(unrecorded).await, 1);
    let other = stage.another_server(&[]).await;
    // The lease ends now, and with it the time at which the delivery is due again.
    stage
        .run("update webhook_endpoints set next_due_at = now()")
        .await;
    stage
        .run("update webhook_deliveries set claimed_until = now(), due_at = now()")
        .await;
    let came = receiver.until_received(2).await;
    assert_eq!((came[0].id(), &came[0].body), (came[1].id(), &came[1].body));
    endpoint.until_tried(&owner.on(&other), "delivered").await;
}

#[tokio::test]
async fn two_instances_share_the_deliveries_and_the_four_places_of_an_endpoint() {
    let stage = Stage::start().await;
    let other = stage.another_server(&[]).await;
    let (products, _) = stage.vendors::<1>().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Never);
    create(&stage.buyer, &receiver.url(), &[]).await;
    for _ in 0..12 {
        stage.buy(&products).await;
    }
    let written = "select count(*) from webhook_deliveries";
    wait::until("all are written", async || stage.count(written).await == 12).await;
    wait::until("four wait", async || receiver.waiting() == 4).await;
    assert_eq!(receiver.received().len(), 4);

    receiver.answer(Answer::Status(200));

    let came = receiver.until_received(12).await;
    let ids: BTreeSet<_> = came.iter().map(Received::id).collect();
    assert_eq!((ids.len(), came.len()), (12, 12));
    let delivered = "select count(*) from webhook_deliveries where outcome = 'delivered'";
    wait::until("all are recorded", async || {
        stage.count(delivered).await == 12
    })
    .await;
    drop(other);
}

#[tokio::test]
async fn an_event_is_written_once_however_often_it_is_published_unless_it_is_forgotten() {
    let stage = Stage::start().await;
    let (products, _) = stage.vendors::<1>().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    stage.buy(&products).await;
    let delivered = endpoint.until_tried(&stage.buyer, "delivered").await;
    let event: EventId = delivered["event_id"].as_str().unwrap().parse().unwrap();
    let place =
        "update outbox_sinks set position = 0, claimed_until = now() where name = 'webhooks'";
    let passed = "select count(*) from outbox_sinks where name = 'webhooks' and position > 0";
    let publish_again = async || {
        wait::until("the sink's place is recorded", async || {
            stage.count(passed).await == 1
        })
        .await;
        stage.run(place).await;
        wait::until("everything was published again", async || {
            stage.count(passed).await == 1
        })
        .await;
    };
    publish_again().await;
    let written = "select count(*) from webhook_deliveries";
    assert_eq!(
        (stage.count(written).await, receiver.received().len()),
        (1, 1)
    );

    let mut connection = stage.world.market.database.pool.acquire().await.unwrap();
    let forgotten = db::webhooks::forget_deliveries(&mut connection, &[event])
        .await
        .unwrap();
    assert_eq!(forgotten, 1);
    publish_again().await;

    let came = receiver.until_received(2).await;
    assert_eq!(came[1].id(), event.to_string());
}

#[tokio::test]
async fn deliveries_are_removed_after_their_time() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    for _ in 0..3 {
        send(
            &stage.buyer,
            Method::POST,
            &format!("{}/test", endpoint.path()),
        )
        .await;
    }
    receiver.until_received(3).await;
    wait::until("all are recorded", async || {
        let deliveries = endpoint.deliveries(&stage.buyer).await;
        deliveries.iter().all(|it| it["outcome"] == "delivered")
    })
    .await;
    let mut connection = stage.world.market.database.pool.acquire().await.unwrap();
    let day = Duration::from_hours(24);
    let young = db::webhooks::sweep_deliveries(&mut connection, day, 10)
        .await
        .unwrap();
    let (first, rest) = (
        db::webhooks::sweep_deliveries(&mut connection, Duration::ZERO, 2)
            .await
            .unwrap(),
        db::webhooks::sweep_deliveries(&mut connection, Duration::ZERO, 2)
            .await
            .unwrap(),
    );
    assert_eq!((young, first, rest), (0, 2, 1));
}
