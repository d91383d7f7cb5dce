//! Finds the splitcart that runs on this machine, by its private listener.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The splitcart at the address of the private listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// Nothing listens there.
    Nothing,
    /// Something listens there that is no splitcart, or hangs.
    Other(&'static str),
    /// It answers `/readyz` with this.
    Splitcart(Value),
}

impl Running {
    pub(super) fn is_splitcart(&self) -> bool {
        matches!(self, Self::Splitcart(_))
    }
}

/// Asks what listens at this address.
pub(super) async fn find(ops: SocketAddr, limit: Duration) -> Running {
    if ops.port() == 0 {
        return Running::Nothing;
    }
    let mut place = ops;
    if place.ip().is_unspecified() {
        let loopback = if place.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        place.set_ip(loopback);
    }
    let asking = async {
        let stream = TcpStream::connect(place).await.ok()?;
        Some(ask(stream, place).await)
    };
    match timeout(limit, asking).await {
        Ok(None) => Running::Nothing,
        Ok(Some(Some(state)))
            if state.get("status").is_some() && state.get("postgresql").is_some() =>
        {
            Running::Splitcart(state)
        }
        Ok(Some(_)) => Running::Other("is not splitcart"),
        Err(_) => Running::Other("does not answer"),
    }
}

async fn ask(stream: TcpStream, place: SocketAddr) -> Option<Value> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // Ends with its sender.
    actix_rt::spawn(connection);
    let request = Request::get("/readyz")
        .header("host", place.to_string())
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let bytes = body.collect().await.ok()?.to_bytes();
    serde_json::from_slice(&bytes).ok()
}
