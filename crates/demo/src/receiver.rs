//! Receives one webhook.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// The longest time until a webhook comes.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The longest request.
const LEN_MAX: usize = 256 * 1024;

/// A request as it came.
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Waits for one request, and answers 204.
pub(super) async fn receive(listener: &TcpListener) -> anyhow::Result<Received> {
    let received = tokio::time::timeout(WAIT_MAX, receive_one(listener)).await;
    received.context("no webhook came")?
}

async fn receive_one(listener: &TcpListener) -> anyhow::Result<Received> {
    let (mut stream, _) = listener.accept().await?;
    let mut bytes = Vec::new();
    loop {
        if let Some(received) = parse(&bytes)? {
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await?;
            return Ok(received);
        }
        if bytes.len() > LEN_MAX || stream.read_buf(&mut bytes).await? == 0 {
            bail!("the request has no end");
        }
    }
}

/// The request, if all of it is there.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<Received>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else { return Ok(None) };
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&bytes[..end])?.lines().skip(1) {
        let (name, value) = line.split_once(": ").context("a header has a value")?;
        headers.insert(
            HeaderName::from_bytes(name.as_bytes())?,
            HeaderValue::from_str(value)?,
        );
    }
    let len = headers
        .get("content-length")
        .context("a body has a length")?;
    let body = &bytes[end + 4..];
    let is_whole = body.len() >= len.to_str()?.parse::<usize>()?;
    let body = body.to_vec();
    Ok(is_whole.then_some(Received { headers, body }))
}
