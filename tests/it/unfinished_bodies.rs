//! Bodies without an end: their connections are closed.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    World,
    server::token_for,
    socket::{answer, connect, read_to_end},
};

/// The bytes after the head.
#[derive(Clone, Copy, Debug)]
enum Follows {
    Nothing,
    HalfAChunk,
    AChunkNowAndThen,
}

/// Regression: all of these connections stayed open without limit.
#[tokio::test]
async fn a_chunked_body_without_an_end_is_not_drained_for_ever() {
    let world = World::start().await;
    let token = token_for(&world.market.buyer().await);
    let put = format!(
        "PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: slow\r\nContent-Type: application/json\r\n"
    );
    let heads = [
        ("POST /nope HTTP/1.1\r\nHost: x\r\n", "404"),
        ("PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\n", "401"),
        ("GET /docs HTTP/1.1\r\nHost: x\r\n", "200"),
        ("DELETE /api/v1/cart HTTP/1.1\r\nHost: x\r\n", "405"),
        (
            "GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
            "200",
        ),
        (
            "POST /nope HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n",
            "",
        ),
        // This route reads its body, for 10 s.
        (put.as_str(), "400"),
    ];
    let follows = [
        Follows::Nothing,
        Follows::HalfAChunk,
        Follows::AChunkNowAndThen,
    ];
    let all = heads
        .iter()
        .flat_map(|head| follows.map(|follows| (head, follows)));
    let held = all.map(async |((head, status), follows)| {
        let mut stream = connect(&world.server).await;
        let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let drip = tokio::spawn(async move {
            match follows {
                Follows::Nothing => {}
                Follows::HalfAChunk => drop(writing.write_all(b"5\r\n{").await),
                Follows::AChunkNowAndThen => {
                    while writing.write_all(b"1\r\n \r\n").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
            std::future::pending::<()>().await;
            drop(writing);
        });
        let started = Instant::now();
        let mut bytes = Vec::new();
        let ended = timeout(Duration::from_secs(40), reading.read_to_end(&mut bytes)).await;
        drip.abort();
        let answer = String::from_utf8_lossy(&bytes);
        assert!(
            ended.is_ok() && answer.contains(&format!("HTTP/1.1 {status}")),
            "{head} {follows:?}: {answer}"
        );
        started.elapsed()
    });
    let took = futures_util::future::join_all(held).await;
    assert!(
        took.iter().all(|it| *it < Duration::from_secs(25)),
        "{took:?}"
    );
}

/// A connection whose body ends stays open.
#[tokio::test]
async fn a_chunked_body_that_was_read_leaves_its_connection_open() {
    let world = World::start().await;
    let token = token_for(&world.market.buyer().await);
    let mut stream = connect(&world.server).await;
    let request = format!(
        "PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\n{{}}\r\n0\r\n\r\n"
    );
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

#[tokio::test]
async fn nor_is_it_by_the_private_listener() {
    let world = World::start().await;
    let addr = world.server.ops.strip_prefix("http://").unwrap();
    for head in ["GET /livez", "POST /metrics", "POST /nope"] {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let head = format!("{head} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let text = read_to_end(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 "), "{head}: {text:?}");
    }
}
