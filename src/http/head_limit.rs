//! How long a client may take to send the head of a request, the first of its connection and every later
//! one.
//!
//! The HTTP server has such a limit for the first head only, and it looks at its clock before it looks
//! at the socket: when we have slept (a stopped machine, a starved one) it turns requests away that
//! have long been there, with an empty 408. So the limit is kept here, beneath it: what has arrived is
//! read first, and who is late hears why.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::Protocol;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};
use uuid::Uuid;

use crate::metrics::{Metrics, RequestLabel};

use super::error::ApiError;

/// What all connections of a worker have in common.
#[derive(Debug)]
pub struct HeadLimits {
    /// How long a head may take.
    pub head_max: Duration,
    /// How long a connection may be idle between two requests; the server itself sees to that, unless
    /// it has part of a head already.
    pub idle_max: Duration,
    /// Where to count.
    pub metrics: Metrics,
}

/// A client's connection.
pub struct HeadLimit<Io> {
    io: Io,
    limits: Rc<HeadLimits>,
    protocol: Protocol,
    phase: Phase,
    /// When the phase must be over.
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
}

/// What comes next from the client.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The rest of a head.
    Head(HeadEnd),
    /// A body, if anything: its limit is kept where it is read.
    Body,
    /// The next head: an answer was written.
    Idle,
    /// The connection is given up.
    Over,
}

/// Looks for the empty line that ends a head.
#[derive(Clone, Copy, Debug, Default)]
struct HeadEnd {
    begun: bool,
    newlines: u8,
}

impl HeadEnd {
    /// Whether the end is among these bytes. Empty lines in front of a head are no part of it.
    fn find(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match byte {
                b'\n' if self.begun => {
                    self.newlines += 1;
                    if self.newlines == 2 {
                        return true;
                    }
                }
                b'\r' | b'\n' => {}
                _ => {
                    self.begun = true;
                    self.newlines = 0;
                }
            }
        }
        false
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> HeadLimit<Io> {
    /// From now on the first head is waited for.
    pub fn new(io: Io, protocol: Protocol, limits: Rc<HeadLimits>) -> Self {
        let deadline = Instant::now() + limits.head_max;
        Self {
            io,
            limits,
            protocol,
            phase: Phase::Head(HeadEnd::default()),
            deadline,
            timer: Box::pin(sleep_until(deadline)),
        }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Phase::Idle = self.phase {
            self.phase = Phase::Head(HeadEnd::default());
            self.deadline = Instant::now() + self.limits.head_max;
        }
        if let Phase::Head(end) = &mut self.phase
            && end.find(bytes)
        {
            self.phase = Phase::Body;
        }
    }

    fn has_written(&mut self) {
        // HTTP/2 begins with what looks like a head, and then has rules of its own.
        if self.protocol != Protocol::Http2 && !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Idle;
            self.deadline = Instant::now() + self.limits.idle_max + self.limits.head_max;
        }
    }

    /// Ready when the client is late.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Phase::Body | Phase::Over = self.phase {
            return Poll::Pending;
        }
        // The timer is set anew only where it would ring too late, or has rung too early.
        if self.timer.deadline() > self.deadline {
            self.timer.as_mut().reset(self.deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }

    /// Says why, if nothing else is being said, and ends what is read.
    fn give_up(&mut self, cx: &mut Context<'_>) {
        if let (Phase::Head(_), false) = (self.phase, self.protocol == Protocol::Http2) {
            let request_id = Uuid::now_v7().to_string();
            let answer = late_head(&request_id);
            // The socket's buffer is empty: all of it goes in, or the client has gone.
            drop(Pin::new(&mut self.io).poll_write(cx, answer.as_bytes()));
            drop(Pin::new(&mut self.io).poll_flush(cx));
            let label = RequestLabel {
                method: "other",
                route: "unknown".to_owned(),
                status: 408,
            };
            self.limits.metrics.requests.get_or_create(&label).inc();
            tracing::info!(
                http.request_id = request_id,
                http.status = 408,
                "a head that did not arrive in time was answered 408"
            );
        }
        self.phase = Phase::Over;
    }
}

/// The whole answer, as it goes over the wire.
fn late_head(request_id: &str) -> String {
    let body = ApiError::late_head().body(request_id).to_string();
    format!(
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nx-request-id: {request_id}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    )
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for HeadLimit<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Phase::Over = self.phase {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(())) => self.has_read(&buffer.filled()[before..]),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                if self.poll_late(cx).is_ready() {
                    self.give_up(cx);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        read
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HeadLimit<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        if written.is_ready() {
            self.has_written();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        if written.is_ready() {
            self.has_written();
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one piece, and byte by byte.
    fn ends(head: &str) -> [bool; 2] {
        let whole = HeadEnd::default().find(head.as_bytes());
        let mut end = HeadEnd::default();
        let parts = head.as_bytes().chunks(1).any(|byte| end.find(byte));
        [whole, parts]
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        for head in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n{}",
        ] {
            assert_eq!(ends(head), [true, true], "{head:?}");
        }
    }

    #[test]
    fn without_it_a_head_goes_on() {
        for head in [
            "",
            "\r\n\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nA: \r\nB: x",
        ] {
            assert_eq!(ends(head), [false, false], "{head:?}");
        }
    }
}
