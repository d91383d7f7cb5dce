//! Sinks of events: away, full, forgetful.

use std::net::TcpListener;

use super::set_up::SetUp;
use crate::support::brokers::Nats;

#[tokio::test]
async fn a_redis_that_may_forget_events_is_named() {
    let set_up = SetUp::new().await;
    set_up.events.set("maxmemory", "100mb").await;
    set_up.events.set("maxmemory-policy", "allkeys-lru").await;
    let report = set_up.examine().await;
    report.assert_names(&["sink.eviction"], &["machine.service"]);
    assert_eq!(report.line("sink.eviction")["subject"], "stream");
    set_up.events.set("maxmemory-policy", "noeviction").await;
    set_up.events.set("appendonly", "no").await;
    let report = set_up.examine().await;
    report.assert_names(&["sink.persistence"], &["machine.service"]);
}

#[tokio::test]
async fn a_sink_that_takes_no_events_is_named_and_no_other() {
    let set_up = SetUp::new().await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let events = set_up.events.url.clone();
    let file = sinks_file(&format!(
        "[[outbox.sinks]]\nname = \"kept\"\nkind = \"redis_stream\"\nurl = \"{events}\"\n\
         [[outbox.sinks]]\nname = \"lost\"\nkind = \"nats_jetstream\"\nurl = \"nats://{closed}\"\n"
    ));
    let mut command = set_up.command();
    command.arg("--config").arg(file.path());
    let report = super::set_up::Report::of(command).await;
    report.assert_names(&["sink.takes_events"], &["machine.service"]);
    let named: Vec<_> = report
        .lines
        .iter()
        .filter(|line| line["state"] == "not_well")
        .collect();
    assert_eq!(named[0]["subject"], "lost", "{named:?}");
}

#[tokio::test]
async fn a_look_at_nats_makes_no_stream() {
    let set_up = SetUp::new().await;
    let nats = Nats::start().await;
    let file = sinks_file(&format!(
        "[[outbox.sinks]]\nname = \"nats\"\nkind = \"nats_jetstream\"\nurl = \"{}\"\n",
        nats.url()
    ));
    let mut command = set_up.command();
    command.arg("--config").arg(file.path());
    let report = super::set_up::Report::of(command).await;
    report.assert_well();
    assert!(report.found("sink.takes_events").contains("is not there"));
    let mut names = nats.jetstream().await.stream_names();
    let first = futures_util::StreamExt::next(&mut names).await;
    assert!(first.is_none(), "{first:?}");
}

fn sinks_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
