//! The limits of connections, seen from a socket: slow heads, idle ends, the number at a time.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Server, World, wait};

const REQUEST: &str = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";

async fn connect(server: &Server) -> TcpStream {
    let addr = server.http.strip_prefix("http://").unwrap();
    TcpStream::connect(addr).await.unwrap()
}

/// Reads until the server closes the connection, within a limit.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await;
    // The connection may be reset rather than closed.
    drop(read.expect("the server closes the connection"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer of a connection that stays open: it ends with its JSON.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("\"}}") {
        let mut bytes = [0; 4096];
        let read = timeout(Duration::from_secs(30), stream.read(&mut bytes)).await;
        let length = read.expect("there is an answer").unwrap();
        assert_ne!(length, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_cut_off() {
    // The server's clock for this ticks every half second.
    let world = World::with_settings(&[("SPLITCART_HTTP_HEAD_MS_MAX", "2000")]).await;
    let mut slow = connect(&world.server).await;
    let started = Instant::now();
    slow.write_all(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    // Sending a header now and then does not extend the time: the limit is for the whole head.
    let (mut reading, mut writing) = slow.into_split();
    let drip = tokio::spawn(async move {
        while writing.write_all(b"X-Drip: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut bytes = Vec::new();
    let closed = timeout(Duration::from_secs(30), reading.read_to_end(&mut bytes)).await;
    drop(closed.expect("the connection is cut off"));
    drip.abort();

    let took = started.elapsed();
    assert!(took >= Duration::from_millis(1_400), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 408"),
        "{text}"
    );
    let mut quick = connect(&world.server).await;
    assert!(
        ask(&mut quick).await.starts_with("HTTP/1.1 404"),
        "others are served"
    );
}

/// A client whose head is late gets the reason, in the envelope, both for the first head of a
/// connection and for a later one.
#[tokio::test]
async fn a_late_head_is_told_so_in_the_envelope_the_second_one_too() {
    let world = World::with_settings(&[("SPLITCART_HTTP_HEAD_MS_MAX", "500")]).await;
    let first = connect(&world.server).await;
    let mut second = connect(&world.server).await;
    assert!(ask(&mut second).await.starts_with("HTTP/1.1 404"));
    for mut stream in [first, second] {
        stream
            .write_all(b"GET /nowhere HTTP/1.1\r\n")
            .await
            .unwrap();
        let text = read_to_end(&mut stream).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{text}");
        let error: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(error["error"]["code"], "REQUEST_TIMEOUT");
        let id = error["error"]["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("x-request-id: {id}")), "{text}");
    }
    let counted =
        "splitcart_http_requests_total{method=\"other\",route=\"unknown\",status=\"408\"}";
    assert_eq!(world.server.metric(counted).await, 2.0);
}

/// A connection that is opened in advance and never used is closed without an answer, which its client could
/// take for that to a request it sends just then.
#[tokio::test]
async fn a_connection_that_is_never_used_is_closed_without_a_word() {
    let world = World::with_settings(&[("SPLITCART_HTTP_HEAD_MS_MAX", "500")]).await;
    let mut unused = connect(&world.server).await;
    assert_eq!(read_to_end(&mut unused).await, "");
}

/// A request that has arrived is served, however long the server was stopped.
#[tokio::test]
async fn whole_requests_that_came_while_we_slept_are_served() {
    let world = World::with_settings(&[("SPLITCART_HTTP_HEAD_MS_MAX", "500")]).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(connect(&world.server).await);
    }
    world.server.freeze();
    for stream in &mut streams {
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
    }
    // Longer than the limit: the server's timers have expired when it wakes up.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.server.thaw();

    for mut stream in streams {
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 404"));
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_closed_when_it_is_idle() {
    let world = World::with_settings(&[("SPLITCART_HTTP_KEEP_ALIVE_MS", "700")]).await;
    let mut stream = connect(&world.server).await;
    for _ in 0..3 {
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 404"));
    }
    let idle_since = Instant::now();
    let rest = read_to_end(&mut stream).await;
    let took = idle_since.elapsed();
    assert_eq!(rest, "");
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_worker_serves_so_many_connections_and_the_next_one_waits() {
    let world = World::with_settings(&[
        ("SPLITCART_HTTP_WORKERS", "1"),
        ("SPLITCART_HTTP_CONNECTIONS_PER_WORKER", "1"),
    ])
    .await;
    let mut first = connect(&world.server).await;
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 404"));
    // More than one client connects, because the listener may accept one ahead.
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&world.server).await;
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let mut byte = [0; 1];
    for _ in 0..5 {
        assert!(ask(&mut first).await.starts_with("HTTP/1.1 404"));
        let last = waiting.last_mut().unwrap();
        let early = timeout(Duration::from_millis(50), last.peek(&mut byte)).await;
        assert!(early.is_err(), "it is served beside the first");
    }

    drop(first);
    for mut stream in waiting {
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 404"));
    }
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for_for_ever() {
    let world = World::start().await;
    let token = crate::support::server::token_for(&world.market.buyer().await);
    let mut stream = connect(&world.server).await;
    let head = format!(
        "PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: slow\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    let mut text = String::new();
    wait::until("it is answered", async || {
        let mut bytes = [0; 4096];
        let length = timeout(Duration::from_secs(20), stream.read(&mut bytes)).await;
        let length = length.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        text.contains("VALIDATION_ERROR")
    })
    .await;
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    assert!(text.contains("did not arrive within 10s"), "{text}");
    assert!(started.elapsed() >= Duration::from_secs(9));
}
