//! A client's connection, beneath the HTTP server: limits of time for sending a head, for taking an
//! answer and for being idle, and checks of what is sent before the framework reads it.
//!
//! | piece | owns |
//! |---|---|
//! | [`requests`] | the requests under way, from their first middleware to the last byte of their answer |
//! | [`frames`] | HTTP/2: heads are measured, empty frames counted, our settings completed |
//! | [`bare_answer`] | requests that are broken as HTTP: the framework's answer to them |
//! | `head_end` | where a head ends |
//! | `refusal` | our answer instead of it |
//! | `stream` | reading and writing |
//! | [`version`] | the version of HTTP, without TLS |
//! | [`place`] | how many connections there are, of all and of one address |
//!
//! The HTTP server has a limit for the first head only, and it looks at its clock before it looks at the
//! socket: when we have slept (a stopped machine, a starved one) it turns requests away that have long
//! been there, with an empty 408. It waits for an answer's reader without any limit, and an idle HTTP/2
//! connection only has to answer a PING now and then. So these limits are kept here, beneath it: what has
//! arrived is read first, and a late client gets an answer that says so, if one can be sent.

pub mod bare_answer;
pub mod frames;
mod head_end;
pub mod place;
mod refusal;
pub mod requests;
mod stream;
pub mod version;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_http::Protocol;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    log_floods::{self, Kind},
    metrics::Metrics,
};

use self::{
    frames::{Frames, complete_settings},
    head_end::HeadEnd,
    refusal::Refusal,
    requests::{Cut, Requests},
};

/// The limits of all connections of a thread.
#[derive(Debug)]
pub struct Limits {
    /// The time that a head may take.
    pub head_max: Duration,
    /// The time that a connection may be idle between two requests. With HTTP/1.1 the server itself
    /// keeps this limit, unless it has part of a head already.
    pub idle_max: Duration,
    /// The time that a client may take nothing of an answer.
    pub answer_max: Duration,
    /// The most requests in progress.
    pub requests_max: usize,
    pub metrics: Metrics,
}

/// A connection with its limits.
pub struct Connection<Io: AsyncRead + AsyncWrite + Unpin> {
    io: Io,
    limits: Rc<Limits>,
    requests: Rc<Requests>,
    protocol: Protocol,
    phase: Phase,
    /// The time by which the phase must be over.
    deadline: Instant,
    /// The time by which the client must take more of what we write; `None` if it takes everything.
    write_due: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    frames: Frames,
    /// Ours instead of what the framework has written.
    instead: Option<Instead>,
    settings_sent: bool,
    /// The client has ended it, or it was lost.
    has_ended: bool,
}

/// The next thing that the client sends.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The first head. No byte of it has come: clients open connections in advance and may never use them.
    Unused,
    /// The rest of a head.
    Head(HeadEnd),
    /// A body, if anything: its limit is kept where it is read.
    Body,
    /// The next head: an answer was written.
    Idle,
    /// HTTP/2, which has rules of its own: it is idle while no request is under way.
    Frames,
    /// The connection is given up.
    Over,
}

/// Bytes that are written in place of the framework's.
#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// The number of the framework's bytes that they replace.
    stands_for: usize,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// From now on the first head is waited for.
    pub fn new(io: Io, protocol: Protocol, limits: Rc<Limits>) -> Self {
        let deadline = Instant::now() + limits.head_max;
        Self {
            io,
            requests: Requests::new(
                limits.requests_max,
                limits.answer_max,
                limits.metrics.requests_under_way.clone(),
            ),
            limits,
            protocol,
            phase: Phase::Unused,
            deadline,
            write_due: None,
            timer: Box::pin(sleep_until(deadline)),
            frames: Frames::default(),
            instead: None,
            settings_sent: false,
            has_ended: false,
        }
    }

    /// The requests of the connection.
    pub fn requests(&self) -> &Rc<Requests> {
        &self.requests
    }

    fn is_http2(&self) -> bool {
        self.protocol == Protocol::Http2
    }

    fn has_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.has_ended = true;
            return;
        }
        if self.is_http2()
            && let Err(cut) = self.frames.see(bytes)
        {
            self.requests.cut_off(cut);
        }
        match self.phase {
            // The time has begun with the connection.
            Phase::Unused => self.phase = Phase::Head(HeadEnd::default()),
            Phase::Idle => {
                self.phase = Phase::Head(HeadEnd::default());
                self.deadline = Instant::now() + self.limits.head_max;
            }
            Phase::Head(_) | Phase::Body | Phase::Frames | Phase::Over => {}
        }
        if let Phase::Head(end) = &mut self.phase
            && end.find(bytes)
        {
            // HTTP/2 begins with what looks like a head.
            self.phase = if self.is_http2() {
                Phase::Frames
            } else {
                Phase::Body
            };
        }
    }

    fn has_written(&mut self) {
        if !self.is_http2() && !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Idle;
            self.deadline = Instant::now() + self.limits.idle_max + self.limits.head_max;
        }
    }

    /// The next limit, and what it means to exceed it.
    fn next_limit(&self) -> Option<(Instant, Late)> {
        if let Some(due) = self.write_due {
            return Some((due, Late::Reader));
        }
        match self.phase {
            Phase::Unused | Phase::Head(_) | Phase::Idle => Some((self.deadline, Late::Client)),
            Phase::Frames => {
                let idle = self.requests.idle_since();
                let idle = idle.map(|since| (since + self.limits.idle_max, Late::Client));
                idle.or_else(|| Some((self.requests.first_due()?, Late::Reader)))
            }
            Phase::Body | Phase::Over => None,
        }
    }

    /// Ready when the client is late.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        let Some((due, late)) = self.next_limit() else {
            return Poll::Pending;
        };
        // The timer is reset only where it would fire too late, or has fired too early.
        if self.timer.deadline() > due {
            self.timer.as_mut().reset(due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return Poll::Ready(late);
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Answers with the reason, if part of a head has come and nothing else is being written, and ends
    /// reading. An answer to no request could be taken for that to the next one.
    fn give_up(&mut self, cx: &mut Context<'_>) {
        if let (Phase::Head(_), false) = (self.phase, self.is_http2()) {
            let answer = Refusal::late_head().tell(&self.limits.metrics);
            self.say_at_once(cx, &answer);
        }
        self.phase = Phase::Over;
    }

    /// The socket's buffer is empty: all of it goes in, or the client has gone.
    fn say_at_once(&mut self, cx: &mut Context<'_>, answer: &str) {
        drop(Pin::new(&mut self.io).poll_write(cx, answer.as_bytes()));
        drop(Pin::new(&mut self.io).poll_flush(cx));
    }

    /// Prepares what is written instead of the framework's bytes, if anything is. Returns how many of
    /// them may go out before that.
    fn replace(&mut self, bytes: &[u8]) -> usize {
        if self.is_http2() {
            if !self.settings_sent {
                self.settings_sent = true;
                let completed = complete_settings(bytes, self.limits.requests_max);
                self.instead = completed.map(|(bytes, stands_for)| Instead {
                    bytes,
                    written: 0,
                    stands_for,
                });
            }
            return bytes.len();
        }
        match bare_answer::find(bytes) {
            Some(bare) if bare.start > 0 => bare.start,
            Some(bare) => {
                let answer = Refusal::of_status(bare.status)
                    .tell(&self.limits.metrics)
                    .into_bytes();
                self.instead = Some(Instead {
                    bytes: answer,
                    written: 0,
                    stands_for: bytes.len(),
                });
                0
            }
            None => bytes.len(),
        }
    }

    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(instead) = &mut self.instead else {
            return Poll::Ready(Ok(0));
        };
        while instead.written < instead.bytes.len() {
            let rest = &instead.bytes[instead.written..];
            match Pin::new(&mut self.io).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => instead.written += written,
                Poll::Pending => return Poll::Pending,
            }
        }
        let stands_for = instead.stands_for;
        self.instead = None;
        Poll::Ready(Ok(stands_for))
    }

    /// Called after each attempt to write.
    fn has_tried_to_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => {
                if self.write_due.take().is_some() && self.is_http2() {
                    // The connection was not read meanwhile.
                    cx.waker().wake_by_ref();
                }
                self.has_written();
            }
            Poll::Ready(Err(_)) => self.has_ended = true,
            Poll::Pending => {
                let due = Instant::now() + self.limits.answer_max;
                self.write_due.get_or_insert(due);
                if let Poll::Ready(Late::Reader) = self.poll_late(cx) {
                    self.requests.cut_off(Cut::Unread);
                    return Poll::Ready(Err(self.end(Cut::Unread)));
                }
            }
        }
        written
    }

    /// Ends the connection at once, with all requests in progress.
    fn end(&mut self, cut: Cut) -> io::Error {
        if !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Over;
            self.limits.metrics.count_cut_connection(cut.name());
            if log_floods::admits(Kind {
                what: "connections were cut off",
                status: 0,
                code: cut.name(),
            }) {
                tracing::info!(
                    http.cut = cut.name(),
                    "a connection was cut off: {}",
                    match cut {
                        Cut::Unread => "its client does not take its answers",
                        Cut::Requests => "too many requests were under way on it",
                        Cut::Head => "the head of a request was too large",
                        Cut::Frames => "it sent too many empty frames",
                    }
                );
            }
        }
        io::Error::new(io::ErrorKind::TimedOut, "cut off")
    }
}

/// The side that has exceeded its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// Nothing was sent.
    Client,
    /// Nothing was taken.
    Reader,
}

/// The framework takes a body with broken chunks for a client that is gone, and drops the connection
/// without an answer. The client is still there and gets one here.
impl<Io: AsyncRead + AsyncWrite + Unpin> Drop for Connection<Io> {
    fn drop(&mut self) {
        if self.has_ended || self.is_http2() || !self.requests.has_a_broken_body() {
            return;
        }
        let answer = Refusal::broken_body().tell(&self.limits.metrics);
        self.say_at_once(&mut Context::from_waker(Waker::noop()), &answer);
    }
}
