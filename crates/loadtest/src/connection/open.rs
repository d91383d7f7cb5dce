//! An open connection: hyper's, and the caller that waits for an answer works on it.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Response, Version,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::{CONNECTION, HeaderMap, HeaderName, RETRY_AFTER},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Answer, Lost};
use crate::{
    endpoint::{Endpoint, Stream},
    requests::Request,
};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// hyper's two halves of an open connection.
pub(super) struct Open {
    sender: Sender,
    /// None once it has ended.
    driver: Option<Driver>,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Open {
    pub(super) async fn over(stream: Stream) -> io::Result<Self> {
        match stream {
            Stream::Plain(stream) => Self::http1(stream).await,
            Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(*stream)).await;
                let (sender, driver) = shaken.map_err(to_io)?;
                Ok(Self {
                    sender: Sender::Http2(sender),
                    driver: Some(Box::pin(driver)),
                })
            }
            Stream::Tls(stream) => Self::http1(*stream).await,
        }
    }

    async fn http1(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> io::Result<Self> {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = shaken.map_err(to_io)?;
        Ok(Self {
            sender: Sender::Http1(sender),
            driver: Some(Box::pin(driver)),
        })
    }

    pub(super) async fn exchange(
        &mut self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Answer, Lost> {
        let Self { sender, driver } = self;
        let response = match sender {
            Sender::Http1(sender) => {
                let request = request.to_http(endpoint, Version::HTTP_11);
                drive(driver, async {
                    sender.ready().await?;
                    sender.send_request(request).await
                })
                .await
            }
            Sender::Http2(sender) => {
                let request = request.to_http(endpoint, Version::HTTP_2);
                drive(driver, async {
                    sender.ready().await?;
                    sender.send_request(request).await
                })
                .await
            }
        };
        let response = response.map_err(|error| Lost {
            was_answering: error.is_parse(),
            error: to_io(error),
        })?;
        drive(driver, read(response)).await.map_err(|error| Lost {
            error: to_io(error),
            was_answering: true,
        })
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

/// Waits for `waited`, and works on the connection meanwhile.
async fn drive<T>(
    driver: &mut Option<Driver>,
    waited: impl Future<Output = hyper::Result<T>>,
) -> hyper::Result<T> {
    let mut waited = pin!(waited);
    poll_fn(|context| {
        if let Poll::Ready(result) = waited.as_mut().poll(context) {
            return Poll::Ready(result);
        }
        if let Some(connection) = driver
            && connection.as_mut().poll(context).is_ready()
        {
            // The error is reported to `waited`.
            *driver = None;
        }
        waited.as_mut().poll(context)
    })
    .await
}

async fn read(response: Response<Incoming>) -> hyper::Result<Answer> {
    let (head, body) = response.into_parts();
    Ok(Answer {
        status: head.status.as_u16(),
        replayed: is(&head.headers, &REPLAYED, b"true"),
        retry_after: seconds(&head.headers),
        closes: head.version == Version::HTTP_10 || is(&head.headers, &CONNECTION, b"close"),
        body: body.collect().await?.to_bytes(),
    })
}

fn is(headers: &HeaderMap, name: &HeaderName, value: &[u8]) -> bool {
    let found = headers.get(name);
    found.is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value))
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

/// The error of the operating system where there is one, which says more than hyper's.
fn to_io(error: hyper::Error) -> io::Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return match cause.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None if cause.kind() == io::ErrorKind::UnexpectedEof => cause.kind().into(),
                None => io::Error::new(cause.kind(), error),
            };
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return io::ErrorKind::UnexpectedEof.into();
    }
    io::Error::other(error)
}
