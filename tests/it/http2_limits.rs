//! HTTP/2, seen from a socket: the limits on the cost of one connection, whatever its client does.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    World,
    socket::{connect, frame, http2_get, http2_preface, memory_mb, read_to_end},
    wait,
};

const BUNDLE: &str = "/docs/swagger-ui-bundle.js";
/// The flags of a frame that ends both a head and its request.
const WHOLE: u8 = 5;

async fn world(settings: &[(&str, &str)]) -> World {
    let all = [&[("SPLITCART_HTTP_H2C", "true")], settings].concat();
    World::with_settings(&all).await
}

/// A client that reads no answers, and requests the same file many times.
async fn stalled_reader(world: &World, streams: u32) -> TcpStream {
    let mut stream = connect(&world.server).await;
    let mut bytes = http2_preface(0);
    for nr in 0..streams {
        bytes.extend(frame(1, WHOLE, 2 * nr + 1, &http2_get(BUNDLE)));
    }
    stream.write_all(&bytes).await.unwrap();
    stream
}

async fn cut(world: &World, reason: &str) -> f64 {
    let metric = format!("splitcart_http_connections_cut_total{{reason=\"{reason}\"}}");
    world.server.metric(&metric).await
}

/// Regression: each answer took 1.6 MB, for as long as the client liked.
#[tokio::test]
async fn answers_that_nobody_takes_cost_no_copy_and_end_with_their_connection() {
    let world = world(&[("SPLITCART_HTTP_ANSWER_MS_MAX", "2000")]).await;
    let asked = "splitcart_http_requests_total{method=\"GET\",route=\"/docs/{file}\"";
    let before = memory_mb(world.server.id());
    let mut stalled = stalled_reader(&world, 90).await;
    wait::until("all are answered", async || {
        world.server.metric(asked).await >= 90.0
    })
    .await;
    let grown = memory_mb(world.server.id()).saturating_sub(before);
    assert!(grown < 40, "{grown} MB");

    read_to_end(&mut stalled).await;

    assert!(cut(&world, "unread").await >= 1.0);
    wait::until("nothing is left of it", async || {
        let connections = world.server.metric("splitcart_http_connections ").await;
        let requests = world
            .server
            .metric("splitcart_http_requests_under_way")
            .await;
        connections + requests == 0.0
    })
    .await;
}

/// A client that reads slowly, but reads, is not cut off.
#[tokio::test]
async fn a_slow_reader_gets_all_of_its_answer() {
    let world = world(&[("SPLITCART_HTTP_ANSWER_MS_MAX", "1000")]).await;
    let mut stream = connect(&world.server).await;
    let mut bytes = http2_preface(0);
    bytes.extend(frame(1, WHOLE, 1, &http2_get("/openapi.json")));
    stream.write_all(&bytes).await.unwrap();
    let started = Instant::now();
    let mut got = 0;
    let mut buffer = vec![0; 1 << 20];
    while started.elapsed() < Duration::from_millis(1_900) {
        // A part each.
        for nr in [0, 1] {
            let more = frame(8, 0, nr, &65_536_u32.to_be_bytes());
            stream.write_all(&more).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        got += stream.read(&mut buffer).await.unwrap();
        assert_ne!(got, 0);
    }
    assert!(got > 128 * 1024, "{got}");
    assert!(cut(&world, "unread").await < 1.0);
}

#[tokio::test]
async fn clients_are_told_how_many_streams_they_may_open_and_one_more_is_refused() {
    let world = world(&[("SPLITCART_HTTP_STREAMS_MAX", "7")]).await;
    let mut stalled = stalled_reader(&world, 10).await;
    let mut first = [0; 9];
    stalled.read_exact(&mut first).await.unwrap();
    assert_eq!(first[3..5], [4, 0], "settings come first");
    let mut settings = vec![0; usize::from(first[2])];
    stalled.read_exact(&mut settings).await.unwrap();
    assert!(
        settings
            .chunks(6)
            .any(|setting| setting == [0, 3, 0, 0, 0, 7]),
        "{settings:?}"
    );
    let refused =
        "splitcart_http_requests_total{method=\"GET\",route=\"/docs/{file}\",status=\"503\"}";
    wait::until("three are refused", async || {
        world.server.metric(refused).await == 3.0
    })
    .await;
    assert_eq!(cut(&world, "requests").await, 0.0);
}

/// Regression: a client could open streams until the server's memory was exhausted.
#[tokio::test]
async fn a_client_that_opens_streams_without_end_is_cut_off() {
    let world = world(&[]).await;
    let mut stalled = stalled_reader(&world, 300).await;
    read_to_end(&mut stalled).await;
    assert_eq!(cut(&world, "requests").await, 1.0);
}

/// Regression: a PING now and then kept such a connection open.
#[tokio::test]
async fn a_connection_without_requests_is_closed_however_lively_it_is() {
    let world = world(&[("SPLITCART_HTTP_KEEP_ALIVE_MS", "1000")]).await;
    let stream = connect(&world.server).await;
    let (mut reading, mut writing) = stream.into_split();
    writing.write_all(&http2_preface(65_535)).await.unwrap();
    let pings = tokio::spawn(async move {
        while writing.write_all(&frame(6, 0, 0, &[0; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let started = Instant::now();
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), reading.read_to_end(&mut bytes));
    drop(ended.await.expect("the connection is closed"));
    assert!(started.elapsed() >= Duration::from_millis(900));
    pings.abort();
}

/// Regression: heads of up to 16 MB were read, and one of more than 32,768 fields caused a panic.
#[tokio::test]
async fn a_head_without_measure_ends_its_connection_and_nothing_else() {
    let world = world(&[]).await;
    let mut stream = connect(&world.server).await;
    let mut head = http2_get("/docs");
    for nr in 0..40_000 {
        let name = format!("{nr:05}");
        head.extend([0x10, 5]);
        head.extend(name.as_bytes());
        head.extend([1, b'x']);
    }
    let mut bytes = http2_preface(65_535);
    let pieces: Vec<_> = head.chunks(16_000).collect();
    for (nr, piece) in pieces.iter().enumerate() {
        let kind = if nr == 0 { 1 } else { 9 };
        let mut flags = u8::from(nr == 0);
        flags |= if nr + 1 == pieces.len() { 4 } else { 0 };
        bytes.extend(frame(kind, flags, 1, piece));
    }
    drop(stream.write_all(&bytes).await);
    read_to_end(&mut stream).await;
    assert_eq!(cut(&world, "head").await, 1.0);
    let log = world.server.log().join("\n");
    assert!(!log.contains("panicked"), "{log}");
}

/// A head with a few hundred fields of a byte each is refused before any work is done for it.
#[tokio::test]
async fn a_head_of_too_many_fields_is_refused() {
    let world = world(&[]).await;
    let mut stream = connect(&world.server).await;
    let mut head = http2_get("/docs");
    // accept-charset with an empty value (static table, 15).
    head.extend([0x8f; 200]);
    let mut bytes = http2_preface(65_535);
    bytes.extend(frame(1, WHOLE, 1, &head));
    stream.write_all(&bytes).await.unwrap();
    let refused = "splitcart_http_requests_total{method=\"GET\",route=\"/docs\",status=\"400\"}";
    wait::until("it is refused", async || {
        world.server.metric(refused).await == 1.0
    })
    .await;
}

/// RUSTSEC-2026-0258.
#[tokio::test]
async fn empty_frames_without_end_end_their_connection() {
    let world = world(&[]).await;
    let mut stream = connect(&world.server).await;
    let mut bytes = http2_preface(65_535);
    let mut head = http2_get("/docs");
    head[0] = 0x83;
    bytes.extend(frame(1, 4, 1, &head));
    for _ in 0..20_000 {
        bytes.extend(frame(0, 0, 1, &[]));
    }
    drop(stream.write_all(&bytes).await);
    read_to_end(&mut stream).await;
    let by_us = cut(&world, "frames").await;
    let by_the_protocol = world
        .server
        .metric("splitcart_http_broken_requests_total{reason=\"http2\"}")
        .await;
    assert!(by_us + by_the_protocol >= 1.0);
}
