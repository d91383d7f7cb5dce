//! Requests that are broken as HTTP reach no route; they are still answered in the envelope, counted
//! and logged.

use serde_json::Value;

use crate::support::{World, server::token_for, socket::exchange, wait};

const START: &str = "GET /api/v1/cart HTTP/1.1\r\nHost: x\r\n";

#[tokio::test]
async fn a_request_that_is_no_http_is_answered_in_the_envelope() {
    let world = World::start().await;
    let token = token_for(&world.market.buyer().await);
    let many = "X: a\r\n".repeat(120);
    let long = "a".repeat(140_000);
    let uri = "a".repeat(70_000);
    let requests = [
        (
            "a header without a colon",
            format!("{START}Broken\r\n\r\n"),
            400,
            "malformed",
        ),
        (
            "a version that is none",
            "GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_owned(),
            400,
            "malformed",
        ),
        (
            "a path too long",
            format!("GET /{uri} HTTP/1.1\r\nHost: x\r\n\r\n"),
            400,
            "malformed",
        ),
        (
            "two lengths",
            format!("{START}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            400,
            "malformed",
        ),
        (
            "garbage",
            "\x16\x03\x01 hello\r\n\r\n".to_owned(),
            400,
            "malformed",
        ),
        (
            "too many headers",
            format!("{START}{many}\r\n"),
            431,
            "head_too_large",
        ),
        (
            "a head too large",
            format!("{START}X: {long}\r\n\r\n"),
            431,
            "head_too_large",
        ),
        (
            "a chunk without a length",
            format!(
                "PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nIdempotency-Key: a\r\n\
                 Transfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
            400,
            "body",
        ),
    ];
    let mut counts = std::collections::BTreeMap::new();
    for (what, request, status, reason) in requests {
        let text = exchange(&world.server, request.as_bytes()).await;

        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{what}: {text:?}");
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {text:?}"
        );
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let error: Value = serde_json::from_str(body).unwrap();
        assert_eq!(error["error"]["code"], "VALIDATION_ERROR", "{what}");
        let id = error["error"]["request_id"].as_str().unwrap();
        assert!(
            head.contains(&format!("x-request-id: {id}")),
            "{what}: {head}"
        );
        assert!(head.contains("connection: close"), "{what}: {head}");
        wait::until("it is in the log", async || {
            let lines = world.server.log();
            lines
                .iter()
                .any(|line| line.contains(id) && line.contains(reason))
        })
        .await;
        *counts.entry(reason).or_insert(0.0) += 1.0;
    }
    for (reason, count) in counts {
        let metric = format!("splitcart_http_broken_requests_total{{reason=\"{reason}\"}}");
        assert_eq!(world.server.metric(&metric).await, count, "{reason}");
    }
}

/// Earlier requests of the connection are answered as usual.
#[tokio::test]
async fn a_good_request_before_a_broken_one_has_its_answer() {
    let world = World::start().await;
    let both = "GET /nope HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nBroken\r\n\r\n";
    let text = exchange(&world.server, both.as_bytes()).await;
    let (first, second) = text.split_at(text.rfind("HTTP/1.1 ").unwrap());
    assert!(first.starts_with("HTTP/1.1 404 "), "{text}");
    assert!(first.ends_with("\"}}"), "{text}");
    assert!(second.starts_with("HTTP/1.1 400 "), "{text}");
    assert!(second.ends_with("\"}}"), "{text}");
}

/// A client that hangs up in the middle of its body does not count as one with a broken body.
#[tokio::test]
async fn a_client_that_hangs_up_is_not_counted() {
    use tokio::io::AsyncWriteExt;
    let world = World::start().await;
    let token = token_for(&world.market.buyer().await);
    let mut stream = crate::support::socket::connect(&world.server).await;
    let head = format!(
        "PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: a\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    wait::until("it is served", async || {
        world.server.metric("splitcart_http_connections ").await == 1.0
    })
    .await;
    drop(stream);
    wait::until("it is over", async || {
        world.server.metric("splitcart_http_connections ").await == 0.0
    })
    .await;
    let broken = world
        .server
        .metric("splitcart_http_broken_requests_total")
        .await;
    assert_eq!(broken, 0.0);
}
