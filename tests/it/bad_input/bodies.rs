//! Bodies that are wrong as a whole: no JSON, too large, or of another media type.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Client, client::fresh_key};

use super::{Fixture, ROUTES, bad_fields};

/// Bodies that are no JSON object at all, on both routes.
#[tokio::test]
async fn a_body_that_can_t_be_read_is_refused_as_a_whole() {
    let fixture = Fixture::new().await;
    let invalid_utf8 = [b"{\"currency\": \"".as_slice(), b"\xff\xfe", b"\"}"].concat();
    let overlong = [b"{\"currency\": \"".as_slice(), b"\xc0\x80", b"\"}"].concat();
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" \n".to_vec(),
        b"{".to_vec(),
        b"{}}".to_vec(),
        b"{} {}".to_vec(),
        b"{\"items\": [1,]}".to_vec(),
        b"{'items': 1}".to_vec(),
        b"{\"qty\": NaN}".to_vec(),
        b"{\"qty\": Infinity}".to_vec(),
        b"{\"qty\": 1e999}".to_vec(),
        b"{\"qty\": 01}".to_vec(),
        b"{\"qty\": +1}".to_vec(),
        b"{\"text\": \"a\0b\"}".to_vec(),
        b"{\"text\": \"\\ud800\"}".to_vec(),
        b"\0".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"// comment\n{}".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"{}\"".to_vec(),
        b"1".to_vec(),
        b"true".to_vec(),
        "[".repeat(100_000).into_bytes(),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        "{\"a\":".repeat(40_000).into_bytes(),
        invalid_utf8,
        overlong,
    ];
    for (method, path) in ROUTES {
        for body in &bodies {
            let reply = fixture.send(&method, path, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_eq!(bad_fields(&reply, &shown), [""], "{shown}");
        }
    }
    fixture.finish().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let fixture = Fixture::new().await;
    let text = fixture.cart.to_string();
    let padded = |len: usize| format!("{text}{}", " ".repeat(len - text.len()));
    for (method, path) in ROUTES {
        for len in [256 * 1024 + 1, 10 * 1024 * 1024] {
            let reply = fixture.send(&method, path, padded(len)).await;
            let got = (reply.status, reply.code());
            assert_eq!(got, (413, "PAYLOAD_TOO_LARGE".to_owned()), "{path} {len}");
        }
    }
    fixture.client.freeze(&fixture.cart).await;
    let at_limit = fixture
        .send(&Method::PUT, "/api/v1/cart", padded(256 * 1024))
        .await;
    assert_eq!(at_limit.status, 200, "{}", at_limit.text());
}

#[tokio::test]
async fn a_body_that_is_not_called_json_is_refused() {
    let fixture = Fixture::new().await;
    let body = json!({ "cart_id": Uuid::now_v7() }).to_string();
    for (method, path) in ROUTES {
        for content_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/xml"),
            Some("application/jsonp"),
            Some("application/json-patch+json"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("json"),
            Some("application/json; charset=iso-8859-1"),
            Some("application/json; charset=\"utf-16\""),
            Some("application/json; q=1; Charset=latin1"),
        ] {
            let mut request = fixture
                .client
                .request(method.clone(), path)
                .header("Idempotency-Key", fresh_key())
                .body(body.clone());
            if let Some(content_type) = content_type {
                request = request.header("Content-Type", content_type);
            }
            let reply = Client::send(request).await;
            let got = (reply.status, reply.code());
            assert_eq!(
                got,
                (415, "UNSUPPORTED_MEDIA_TYPE".to_owned()),
                "{content_type:?}"
            );
        }
    }
    assert_eq!(
        fixture.world.market.database.contents().await,
        fixture.before
    );
    for content_type in [
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json; charset=utf8",
        "application/json; charset=\"UTF8\"",
        "application/json; Charset=csUTF8",
        "application/json;charset=unicode-1-1-utf-8",
        "Application/JSON",
    ] {
        let request = fixture
            .client
            .request(Method::PUT, "/api/v1/cart")
            .header("Idempotency-Key", fresh_key())
            .header("Content-Type", content_type)
            .body(fixture.cart.to_string());
        assert_eq!(Client::send(request).await.status, 200, "{content_type}");
    }
}

/// The server decompresses nothing, so a small body stays small.
#[tokio::test]
async fn a_compressed_body_is_refused() {
    let fixture = Fixture::new().await;
    let send = async |method: &Method, path: &str, encoding: &str| {
        let request = fixture
            .client
            .request(method.clone(), path)
            .header("Idempotency-Key", fresh_key())
            .header("Content-Type", "application/json")
            .header("Content-Encoding", encoding)
            .body(fixture.cart.to_string());
        Client::send(request).await
    };
    for (method, path) in ROUTES {
        for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "x", ""] {
            let reply = send(&method, path, encoding).await;
            let got = (reply.status, reply.code());
            let wanted = (415, "UNSUPPORTED_MEDIA_TYPE".to_owned());
            assert_eq!(got, wanted, "{path} {encoding:?}");
        }
    }
    let before = fixture.world.market.database.contents().await;
    assert_eq!(before, fixture.before);
    let plain = send(&Method::PUT, "/api/v1/cart", "Identity").await;
    assert_eq!(plain.status, 200, "{}", plain.text());
}

/// The length is not announced, so the received bytes are counted.
#[tokio::test]
async fn a_chunked_body_is_too_large_when_too_much_has_come() {
    let fixture = Fixture::new().await;
    for (method, path) in ROUTES {
        let reply = send_in_chunks(&fixture, &method, path, "[".repeat(1024), 400).await;
        assert!(reply.starts_with("HTTP/1.1 413"), "{path}: {reply}");
        assert!(reply.contains("\"code\":\"PAYLOAD_TOO_LARGE\""), "{reply}");
        assert!(reply.contains("x-request-id: "), "{reply}");
    }
    fixture.finish().await;
}

/// Sends a body of `count` chunks and returns the answer.
async fn send_in_chunks(
    fixture: &Fixture,
    method: &Method,
    path: &str,
    chunk: String,
    count: usize,
) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let addr = fixture.world.server.http.strip_prefix("http://").unwrap();
    let token = crate::support::server::token_for(&fixture.buyer);
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let key = fresh_key();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    let part = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    // The server may answer and close before it has read everything.
    let sending = tokio::spawn(async move {
        writing.write_all(head.as_bytes()).await?;
        for _ in 0..count {
            writing.write_all(part.as_bytes()).await?;
        }
        writing.write_all(b"0\r\n\r\n").await?;
        std::io::Result::Ok(writing)
    });
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while !text.ends_with("}}") {
        let length = reading.read(&mut bytes).await.unwrap();
        assert_ne!(length, 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    sending.abort();
    text
}
