//! A sink that is slow gets everything, slowly, and nothing twice.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
};
use uuid::Uuid;

use crate::support::{Redis, Server, wait};

use super::{Stage, ids_on};

/// More events of one aggregate than fit into the lease of a follower (5 s), one after the other.
const EVENTS: usize = 16;
const DELAY: Duration = Duration::from_millis(500);

/// Leads to a Redis whose answers come late. Returns its URL.
async fn slow_proxy(redis: &Redis) -> String {
    let socket = redis.url.strip_prefix("redis+unix://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = UnixStream::connect(&socket).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut answer = vec![0; 64 * 1024];
                while let Ok(length) = from_server.read(&mut answer).await
                    && length > 0
                {
                    tokio::time::sleep(DELAY).await;
                    if to_client.write_all(&answer[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_slow_sink_outlasts_its_lease_and_gets_each_event_once() {
    let mut stage = Stage::start().await;
    stage.server.terminate();
    stage.server.ended().await;
    let slow = slow_proxy(&stage.follower).await;
    let file = stage.dir.path().join("slow.toml");
    let sink = |name, url: &str| {
        format!("[[outbox.sinks]]\nname = \"{name}\"\nkind = \"redis_stream\"\nurl = \"{url}\"\n")
    };
    std::fs::write(
        &file,
        sink("stream", &stage.primary.url) + &sink("copy", &slow),
    )
    .unwrap();
    let (database_url, keys_url) = (&stage.database().url, &stage.keys.url);
    stage.server = Server::start_with_file(database_url, keys_url, &file, &[]).await;
    let aggregate = Uuid::now_v7();
    let mut sent = Vec::new();
    for nr in 0..EVENTS {
        sent.push(stage.insert(aggregate, &format!("test_{nr}"), "'x'").await);
    }

    let behind = "select count(*) from outbox_sinks s join outbox_events e on e.seq > s.position";
    wait::until("the slow sink has them", async || {
        ids_on(&stage.follower).await.len() >= EVENTS && stage.database().count(behind).await == 0
    })
    .await;
    assert_eq!(ids_on(&stage.follower).await, sent);
    let up = "splitcart_outbox_sink_up{sink=\"copy\"}";
    assert_eq!(stage.server.metric(up).await, 1.0);
}
