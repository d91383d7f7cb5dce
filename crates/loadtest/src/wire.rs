//! HTTP/1.1 over one kept connection, at as little CPU per request as can be had.
//!
//! A request is bytes that were made before the test began, and of an answer only what decides is
//! read. It is no general client: no TLS, no redirects, no chunked answers (ours have none).
//!
//! The driver shares a machine with the server that it measures, so what it costs was measured.
//! The server's 404 of an unknown route, 100,000 times over 64 connections on one thread, three
//! rounds each, cost 2.5 to 4.0 µs of CPU per request this way, 4.8 to 6.0 µs with hyper's
//! `client::conn::http1`, and 10.9 to 11.4 µs with reqwest. (In a test a request costs about 15 µs:
//! the answers are larger and come one by one.)

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Room for the heads of our answers.
const HEADERS_MAX: usize = 32;
/// What is read at once: an answer to a checkout of some lines fits.
const CHUNK_BYTES: usize = 16 * 1024;

/// A connection that is opened when it is needed, and again when it was lost.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What came back. The body is in the wire's buffer until the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether it has `Idempotency-Replayed: true`.
    pub replayed: bool,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
    body: std::ops::Range<usize>,
    closes: bool,
}

impl Wire {
    /// Nothing is opened yet.
    pub fn to(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            buffer: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    /// Over a connection that is open; one that replaces it comes from any address of ours.
    ///
    /// # Errors
    /// The connection is lost already.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        let mut wire = Self::to(stream.peer_addr()?);
        stream.set_nodelay(true)?;
        wire.stream = Some(stream);
        Ok(wire)
    }

    /// The body of an answer, until the next request.
    pub fn body(&self, answer: &Answer) -> &[u8] {
        &self.buffer[answer.body.clone()]
    }

    /// Sends a request and reads the whole answer. After an error the connection is closed.
    ///
    /// A server may close a connection that rests, just as we send: then, and only if not a byte
    /// has come back, the request goes out once more on a new connection. Its key makes that
    /// harmless.
    ///
    /// # Errors
    /// The connection could not be opened or was lost, or the answer is no HTTP that we read.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        let rested = self.stream.is_some();
        let mut result = self.exchange_once(request).await;
        if rested && self.buffer.is_empty() && result.is_err() {
            self.stream = None;
            result = self.exchange_once(request).await;
        }
        match &result {
            Ok(answer) if !answer.closes => {}
            _ => self.stream = None,
        }
        result
    }

    /// Forgets the connection: an answer that nobody has waited for may still come over it.
    pub fn close(&mut self) {
        self.stream = None;
    }

    async fn exchange_once(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.buffer.clear();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                empty.insert(stream)
            }
        };
        stream.write_all(request).await?;
        let mut answer = None;
        loop {
            self.buffer.reserve(CHUNK_BYTES);
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if answer.is_none() {
                answer = read_head(&self.buffer)?;
            }
            if let Some(answer) = answer.take_if(|it| it.body.end <= self.buffer.len()) {
                return Ok(answer);
            }
        }
    }
}

/// The answer that the head promises, or none while the head is incomplete.
fn read_head(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(start) = parsed else {
        return Ok(None);
    };
    let status = head.code.unwrap_or(0);
    let mut length = (status == 204).then_some(0);
    let mut answer = Answer {
        status,
        replayed: false,
        retry_after: None,
        body: 0..0,
        closes: head.version == Some(0),
    };
    for header in head.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            length = number(header.value).and_then(|length| usize::try_from(length).ok());
        } else if is("idempotency-replayed") {
            answer.replayed = header.value == b"true";
        } else if is("retry-after") {
            answer.retry_after = number(header.value).map(Duration::from_secs);
        } else if is("connection") {
            answer.closes = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let length = length.ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
    answer.body = start..start + length;
    Ok(Some(answer))
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, task::JoinHandle};

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

    #[tokio::test]
    async fn a_connection_that_was_closed_while_it_rested_is_opened_again() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (address, server) = short_tempered(3, answer).await;
        let mut wire = Wire::to(address);
        for _ in 0..3 {
            let answer = wire.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!((answer.status, wire.body(&answer)), (200, &b"ok"[..]));
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn half_an_answer_is_an_error_and_the_request_is_not_sent_again() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
        let (address, server) = short_tempered(1, answer).await;
        let mut wire = Wire::to(address);
        let error = wire.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        server.await.unwrap();
    }

    #[test]
    fn a_head_says_what_the_answer_is() {
        let head =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nRetry-After: 2\r\n\r\n";
        let answer = read_head(head).unwrap().unwrap();
        assert_eq!((answer.status, answer.replayed), (503, false));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(answer.body, head.len()..head.len() + 12);
        assert!(!answer.closes);
    }

    #[test]
    fn an_incomplete_head_is_none_yet_and_one_without_a_length_is_refused() {
        assert_eq!(read_head(b"HTTP/1.1 200 OK\r\nConte").unwrap(), None);
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_replay_is_seen_whatever_the_case_of_the_header() {
        let head = b"HTTP/1.1 201 Created\r\nidempotency-replayed: true\r\ncontent-length: 0\r\n\
                     connection: close\r\n\r\n";
        let answer = read_head(head).unwrap().unwrap();
        assert!(answer.replayed && answer.closes);
    }
}
