//! The limits on the number of connections: of one address, and of all.

use std::{process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Database, Redis, Server, World, server,
    socket::{answer, connect},
    wait,
};

const REQUEST: &[u8] = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n";

async fn is_served(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(REQUEST).await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_one_more_is_closed() {
    let world = World::with_settings(&[
        ("SPLITCART_RATE_LIMIT", "on"),
        ("SPLITCART_LIMITS_ADDRESS_CONNECTIONS", "5"),
    ])
    .await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(&world.server).await;
        assert!(is_served(&mut stream).await);
        held.push(stream);
    }
    let mut one_more = connect(&world.server).await;
    assert!(!is_served(&mut one_more).await);
    let cut = "splitcart_http_connections_cut_total{reason=\"address\"}";
    assert_eq!(world.server.metric(cut).await, 1.0);
    wait::until("it is in the log", async || {
        let log = world.server.log();
        log.iter()
            .any(|line| line.contains("limits.address_connections"))
    })
    .await;

    held.pop();

    wait::until("there is room again", async || {
        is_served(&mut connect(&world.server).await).await
    })
    .await;
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_as_it_wants() {
    let world = World::with_settings(&[
        ("SPLITCART_RATE_LIMIT", "on"),
        ("SPLITCART_LIMITS_ADDRESS_CONNECTIONS", "1"),
        ("SPLITCART_HTTP_TRUSTED_PROXIES", "127.0.0.0/8"),
    ])
    .await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(&world.server).await;
        assert!(is_served(&mut stream).await);
        held.push(stream);
    }
}

/// Regression: 1,100 connections switched off both listeners.
#[tokio::test]
async fn connections_never_take_the_files_that_everything_else_needs() {
    let (database, redis) = (Database::create().await, Redis::start().await);
    let mut command = Command::new("sh");
    let serve = server::serve();
    command.args(["-c", "ulimit -n 400; exec \"$0\" serve"]);
    command.arg(serve.get_program());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .env("SPLITCART_DATABASE_URL", &database.url)
        .env("SPLITCART_REDIS_URL", &redis.url);
    let server = Server::launch(command).await;
    let listening = server.log();
    let listening = listening.iter().find(|line| line.contains("listening on"));
    let most = serde_json::from_str::<serde_json::Value>(listening.unwrap()).unwrap();
    let most = most["http.connections_max"].as_u64().unwrap();
    assert!((16..400).contains(&most), "{most}");

    let mut held = Vec::new();
    for _ in 0..most + 200 {
        let mut stream = connect(&server).await;
        stream.write_all(b"POST /x HTTP/1.1\r\n").await.unwrap();
        held.push(stream);
    }

    for page in ["/livez", "/readyz", "/metrics"] {
        let asked = timeout(Duration::from_secs(20), server.operations(page)).await;
        assert_eq!(asked.expect("an answer in time").0, 200, "{page}");
    }
    let open = server.metric("splitcart_http_connections ").await;
    assert!(open <= most as f64, "{open}");
    drop(held);
    let mut stream = connect(&server).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 404"));
}
