//! A client of the private listener, for commands that ask an instance which runs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{StatusCode, Uri, body::Bytes};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::TokioExecutor,
};

/// The longest answer that is read.
const ANSWER_LEN_MAX: usize = 256 * 1024;

/// The reason for which there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Request(#[from] Error),
    #[error("the answer breaks off, or is longer than {ANSWER_LEN_MAX} bytes")]
    Body,
}

impl AskError {
    /// True if nothing accepts connections there.
    pub fn is_about_connecting(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_connect())
    }
}

/// The page `/readyz` of a listener, asked on this machine; `None` if only the instance knows its port.
pub fn readiness_at(mut addr: SocketAddr) -> Option<Uri> {
    if addr.port() == 0 {
        return None;
    }
    // The address of a listener on all addresses is not one to connect to.
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let url = format!("http://{addr}/readyz").parse();
    Some(url.expect("an address makes a URL"))
}

/// Asks for a page. The caller limits the time.
pub async fn ask(url: &Uri) -> Result<(StatusCode, Bytes), AskError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = client.get(url.clone()).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_LEN_MAX);
    let body = body.collect().await.map_err(|_| AskError::Body)?;
    Ok((status, body.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_the_loopback_address() {
        for (addr, url) in [
            ("0.0.0.0:9090", "http://127.0.0.1:9090/readyz"),
            ("[::]:9090", "http://[::1]:9090/readyz"),
            ("10.0.0.7:9090", "http://10.0.0.7:9090/readyz"),
        ] {
            let asked = readiness_at(addr.parse().unwrap()).unwrap();
            assert_eq!(asked.to_string(), url);
        }
    }

    #[test]
    fn a_free_port_has_no_page() {
        assert_eq!(readiness_at("127.0.0.1:0".parse().unwrap()), None);
    }
}
