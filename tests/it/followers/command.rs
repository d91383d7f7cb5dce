//! `splitcart outbox`.

use std::{
    io::Read,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use uuid::Uuid;

use crate::support::{redis::signal, server::splitcart, wait};

use super::{Stage, ids_on, settings_file, until_announced};

impl Stage {
    fn outbox(&self, arguments: &[&str]) -> Command {
        let sinks = [("stream", &self.primary), ("copy", &self.follower)];
        let mut command = splitcart("outbox");
        command
            .arg("--config")
            .arg(settings_file(&self.dir, &sinks))
            .env("SPLITCART_DATABASE_URL", &self.database().url)
            .env("SPLITCART_REDIS_URL", &self.keys.url)
            .args(arguments);
        command
    }

    /// The result as JSON, and the status.
    async fn outbox_json(&self, arguments: &[&str]) -> (Value, i32) {
        let mut command = self.outbox(arguments);
        command.arg("--json");
        let Output {
            status,
            stdout,
            stderr,
        } = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let json = serde_json::from_slice(&stdout);
        let json = json.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr)));
        (json, status.code().unwrap())
    }

    async fn outbox_text(&self, arguments: &[&str]) -> (String, i32) {
        let mut command = self.outbox(arguments);
        let Output {
            status,
            stdout,
            stderr,
        } = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text =
            String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        (text, status.code().unwrap())
    }
}

#[tokio::test]
async fn dead_letters_are_listed_shown_sent_again_and_given_up() {
    let stage = Stage::with_settings(&[("SPLITCART_OUTBOX_ATTEMPTS_MAX", "1")]).await;
    for redis in [&stage.primary, &stage.follower] {
        redis.set("proto-max-bulk-len", "1048576").await;
    }
    let one = stage
        .insert(Uuid::now_v7(), "too_large", "repeat('x', 2000000)")
        .await;
    let other = stage
        .insert(Uuid::now_v7(), "too_large", "repeat('y', 2000000)")
        .await;
    let bought = stage.buy(1).await;
    wait::until("both sinks have two dead letters", async || {
        let (status, _) = stage.outbox_json(&["status"]).await;
        let sinks = status["sinks"].as_array().unwrap();
        sinks.len() == 2 && sinks.iter().all(|sink| sink["dead_letters"] == 2)
    })
    .await;

    let (listed, _) = stage
        .outbox_json(&["list", "--dead", "--sink", "copy"])
        .await;
    let ids: Vec<_> = listed["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, [&one.to_string(), &other.to_string()]);
    let (shown, code) = stage.outbox_json(&["show", &one.to_string()]).await;
    assert_eq!(code, 0);
    assert_eq!(shown["event"]["event_id"], one.to_string());
    let in_sinks: Vec<_> = shown["sinks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["state"])
        .collect();
    assert_eq!(in_sinks, ["dead", "dead"]);

    for redis in [&stage.primary, &stage.follower] {
        redis.set("proto-max-bulk-len", "536870912").await;
    }
    let (discarded, _) = stage.outbox_json(&["discard", &other.to_string()]).await;
    assert_eq!(discarded["discarded"], 2);
    let (retried, _) = stage.outbox_json(&["retry", "--dead"]).await;
    assert_eq!(retried["retried"], 2);

    for redis in [&stage.primary, &stage.follower] {
        wait::until("it is sent", async || ids_on(redis).await.contains(&one)).await;
        assert!(!ids_on(redis).await.contains(&other));
    }
    wait::until("nothing waits", async || {
        let (status, _) = stage.outbox_json(&["status"]).await;
        let sinks = status["sinks"].as_array().unwrap();
        sinks
            .iter()
            .all(|sink| sink["dead_letters"] == 0 && sink["waiting"] == 0)
    })
    .await;
    let (text, code) = stage.outbox_text(&["retry", &one.to_string()]).await;
    assert!(
        code == 1 && text.contains("None of these is a dead letter"),
        "{text}"
    );
    let (text, code) = stage
        .outbox_text(&["show", &Uuid::now_v7().to_string()])
        .await;
    assert!(code == 1 && text.contains("there is no event"), "{text}");
    drop(bought);
}

#[tokio::test]
async fn what_a_sink_has_lost_is_published_to_it_again_with_the_same_ids() {
    let stage = Stage::start().await;
    let bought = stage.buy(4).await;
    for redis in [&stage.primary, &stage.follower] {
        until_announced(redis, &bought).await;
    }
    let behind = "select count(*) from outbox_sinks s join outbox_events e on e.seq > s.position";
    wait::until("the follower's progress is recorded", async || {
        stage.database().count(behind).await == 0
    })
    .await;
    let before = ids_on(&stage.follower).await;
    stage.follower.empty().await;

    let (report, code) = stage
        .outbox_json(&["republish", "--sink", "copy", "--from", "1h"])
        .await;

    assert_eq!((&report["published"], code), (&4.into(), 0));
    assert_eq!(ids_on(&stage.follower).await, before);
    assert_eq!(
        ids_on(&stage.primary).await.len(),
        4,
        "the other sink gets nothing"
    );
    let (report, _) = stage
        .outbox_json(&[
            "republish",
            "--sink",
            "copy",
            "--from",
            "1h",
            "--type",
            "order_decided",
        ])
        .await;
    assert_eq!(report["published"], 0);
    let after = before[1].to_string();
    let again = [
        "republish",
        "--sink",
        "copy",
        "--from",
        "1h",
        "--after",
        &after,
    ];
    let (report, _) = stage.outbox_json(&again).await;
    assert_eq!(report["published"], 2);
    assert_eq!(ids_on(&stage.follower).await[4..], before[2..]);
    let (text, code) = stage
        .outbox_text(&["republish", "--sink", "nobody", "--from", "1h"])
        .await;
    assert!(
        code == 2 && text.contains("known are: stream, copy"),
        "{text}"
    );
}

/// Ctrl-C stops it between two batches, and it says how to go on.
#[tokio::test]
async fn a_republication_can_be_stopped_and_gone_on_with() {
    const EVENTS: usize = 20_000;
    let stage = Stage::start().await;
    let fill = format!(
        "insert into outbox_events (
            id, event_type, aggregate_type, aggregate_id, payload, published_at, seq)
         select
            (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '70008'
                || lpad(to_hex(nr), 15, '0'))::uuid,
            'test', 'test', gen_random_uuid(), '\"x\"', now(), nextval('outbox_events_seq')
         from generate_series(1, {EVENTS}) as nr"
    );
    stage.database().run(&fill).await;
    wait::until("the follower has them", async || {
        stage.follower.events_count().await == EVENTS
    })
    .await;
    let arguments = ["republish", "--from", "1h", "--json"];
    let mut run = stage
        .outbox(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait::until("it has begun", async || {
        stage.primary.events_count().await > 0
    })
    .await;
    signal(run.id(), "INT");
    let report = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        run.stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        run.wait().unwrap();
        text
    });
    let report: Value = serde_json::from_str(&report.await.unwrap()).unwrap();
    assert_eq!(report["complete"], false, "it was stopped in the middle");
    let published = usize::try_from(report["published"].as_u64().unwrap()).unwrap();
    assert_eq!(ids_on(&stage.primary).await.len(), published);

    let after = report["last"].as_str().unwrap();
    let (report, _) = stage
        .outbox_json(&["republish", "--from", "1h", "--after", after])
        .await;

    assert_eq!(report["complete"], true);
    let all = ids_on(&stage.primary).await;
    assert_eq!(all.len(), EVENTS);
    assert_eq!(all, ids_on(&stage.follower).await);
}
