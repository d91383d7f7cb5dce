//! One HTTP connection, opened when it is needed and kept from request to request.
//!
//! It has hyper's connection polled by the caller that waits for the answer, not by a task of its own: the
//! driver shares a machine with the server that it measures, and a task would cost it a wake-up per answer.
//! HTTP/1.1 is spoken over plain TCP; over TLS the server chooses between it and HTTP/2. Redirects are
//! answers like any other.

use std::{
    error::Error,
    future::poll_fn,
    io,
    net::IpAddr,
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

use super::{
    endpoint::{Endpoint, Stream},
    requests::Request,
};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A connection that is opened when it is needed, and again when it was lost.
#[derive(Debug)]
pub(crate) struct Connection {
    endpoint: Endpoint,
    local: Option<IpAddr>,
    open: Option<Open>,
}

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it has `Idempotency-Replayed: true`.
    pub(crate) replayed: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
    /// Whether the server closes the connection after it.
    closes: bool,
}

/// Why there is no answer.
struct Lost {
    error: io::Error,
    /// Whether the answer had begun.
    was_answering: bool,
}

impl Connection {
    /// Nothing is opened yet.
    pub(crate) fn to(endpoint: &Endpoint) -> Self {
        Self {
            endpoint: endpoint.clone(),
            local: None,
            open: None,
        }
    }

    /// The same, from this address of the machine.
    pub(crate) fn from_address(endpoint: &Endpoint, local: IpAddr) -> Self {
        Self {
            local: Some(local),
            ..Self::to(endpoint)
        }
    }

    /// Sends a request and reads the whole answer. After an error the connection is closed.
    ///
    /// A server may close an idle connection just as a request is sent: then, and only if no answer has
    /// begun, the request is sent once more on a new connection. Its key makes that harmless.
    ///
    /// # Errors
    /// The connection can't be opened or was lost, or the answer is not HTTP.
    pub(crate) async fn exchange(&mut self, request: &Request) -> io::Result<Answer> {
        let was_idle = self.open.is_some();
        let mut result = self.exchange_once(request).await;
        if was_idle && result.as_ref().is_err_and(|lost| !lost.was_answering) {
            self.open = None;
            result = self.exchange_once(request).await;
        }
        if result.as_ref().map_or(true, |answer| answer.closes) {
            self.open = None;
        }
        result.map_err(|lost| lost.error)
    }

    /// Closes the connection: an answer that the caller no longer waits for may still come over it.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    async fn exchange_once(&mut self, request: &Request) -> Result<Answer, Lost> {
        let open = match &mut self.open {
            Some(open) => open,
            empty => {
                let stream = self.endpoint.connect(self.local).await;
                let opened = match stream {
                    Ok(stream) => Open::over(stream).await,
                    Err(error) => Err(error),
                };
                empty.insert(opened.map_err(|error| Lost {
                    error,
                    was_answering: false,
                })?)
            }
        };
        open.exchange(&self.endpoint, request).await
    }
}

/// hyper's two halves of an open connection.
struct Open {
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
    async fn over(stream: Stream) -> io::Result<Self> {
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

    async fn exchange(&mut self, endpoint: &Endpoint, request: &Request) -> Result<Answer, Lost> {
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

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            // What ended it is reported to `waited`.
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::JoinHandle,
    };

    use super::*;

    /// A server that accepts so many connections and answers one request on each, then closes it.
    async fn short_tempered(
        connections: u32,
        answer: &'static [u8],
    ) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            }
        });
        (address, server)
    }

    /// The answer of a server that gives it once.
    async fn exchange(answer: &'static [u8]) -> io::Result<Answer> {
        let (address, server) = short_tempered(1, answer).await;
        let mut connection = Connection::to(&Endpoint::plain(address));
        let answer = connection.exchange(&Request::get_cart("token")).await;
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_while_it_rested_is_opened_again() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (address, server) = short_tempered(3, answer).await;
        let mut connection = Connection::to(&Endpoint::plain(address));
        for _ in 0..3 {
            let request = Request::get_cart("token");
            let answer = connection.exchange(&request).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn half_an_answer_is_an_error_and_the_request_is_not_sent_again() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::to(&Endpoint::plain(listener.local_addr().unwrap()));
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            for answer in [&whole[..], half] {
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            }
        });
        let request = Request::get_cart("token");
        connection.exchange(&request).await.unwrap();
        let error = connection.exchange(&request).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_never_begins_is_the_end_of_the_connection() {
        let error = exchange(b"").await.unwrap_err();
        // The kernel says either, depending on what it was doing with the request.
        assert!(matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        ));
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_reported_as_the_system_does() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut connection = Connection::to(&Endpoint::plain(address));
        let error = connection.exchange(&Request::get_cart("token")).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.raw_os_error().is_some(), "{error}");
    }

    #[tokio::test]
    async fn a_head_says_what_the_answer_is() {
        let answer = exchange(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nRetry-After: 2\r\n\r\n\
              {\"error\":{}}",
        );
        let answer = answer.await.unwrap();
        assert_eq!((answer.status, answer.replayed), (503, false));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(&answer.body[..], b"{\"error\":{}}");
        assert!(!answer.closes);
    }

    #[tokio::test]
    async fn an_answer_in_chunks_is_read_to_its_end() {
        let answer = exchange(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n ok\r\n0\r\n\r\n",
        );
        assert_eq!(&answer.await.unwrap().body[..], b"ok ok");
    }

    #[tokio::test]
    async fn a_replay_is_seen_whatever_the_case_of_the_header() {
        let answer = exchange(
            b"HTTP/1.1 201 Created\r\nidempotency-replayed: true\r\ncontent-length: 0\r\n\
              connection: close\r\n\r\n",
        );
        let answer = answer.await.unwrap();
        assert!(answer.replayed && answer.closes);
    }

    #[tokio::test]
    async fn an_incomplete_head_is_no_answer() {
        let error = exchange(b"HTTP/1.1 200 OK\r\nConte").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_connection_may_come_from_an_address_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::plain(listener.local_addr().unwrap());
        let local = IpAddr::from([127, 0, 0, 7]);
        let connecting = endpoint.connect(Some(local));
        let (connected, accepted) = tokio::join!(connecting, listener.accept());
        connected.unwrap();
        assert_eq!(accepted.unwrap().1.ip(), local);
    }
}
