//! The version of HTTP that a client without TLS begins with.

use std::time::Duration;

use actix_http::{Protocol as Version, error::DispatchError};
use actix_web::rt::net::TcpStream;

/// The versions that are understood without TLS.
#[derive(Clone, Copy, Debug)]
pub enum Plain {
    Http1,
    EitherVersion,
}

impl Plain {
    /// Peeks at the first bytes of a connection.
    pub async fn version(
        self,
        io: &TcpStream,
        wait_max: Duration,
    ) -> Result<Version, DispatchError> {
        const HTTP2_BEGINS_WITH: &[u8] = b"PRI * HTTP/2";
        let Self::EitherVersion = self else {
            return Ok(Version::Http1);
        };
        let mut first = [0; HTTP2_BEGINS_WITH.len()];
        let peeked = tokio::time::timeout(wait_max, io.peek(&mut first)).await;
        match peeked {
            Ok(length) => {
                length?;
                let is_http2 = first == HTTP2_BEGINS_WITH;
                Ok(if is_http2 {
                    Version::Http2
                } else {
                    Version::Http1
                })
            }
            Err(_) => Err(DispatchError::SlowRequestTimeout),
        }
    }
}
