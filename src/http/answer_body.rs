//! The bodies of a request and its answer, each counted against its connection and the memory while it
//! exists.
//!
//! An [`AnswerBody`] is handed on in parts, so that its connection sees whether it is taken, and keeps the
//! request's body until its own end: the HTTP server would drain a chunked body that is not wanted any
//! more for as long as its client likes, but closes the connection if it is still wanted when the answer
//! has been written.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use actix_web::{
    HttpMessage,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    middleware::Next,
    web::Bytes,
};
use futures_util::Stream;
use prometheus_client::metrics::gauge::Gauge;

use super::connection::requests::UnderWay;

/// The largest part of an answer that is handed on at a time.
const PART_LEN: usize = 64 * 1024;
/// The longest body that the private listener reads.
const SHORT_BODY_LEN_MAX: usize = 8 * 1024;

/// The bytes of requests' bodies in memory, of the whole process.
#[derive(Debug)]
pub struct BodyBudget {
    most: usize,
    used: AtomicUsize,
    shown: Gauge,
}

impl BodyBudget {
    /// A budget of which nothing is used.
    pub fn new(most: usize, shown: Gauge) -> Arc<Self> {
        Arc::new(Self {
            most,
            used: AtomicUsize::new(0),
            shown,
        })
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.most);
        let taken = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        if taken.is_ok() {
            self.shown.inc_by(signed(bytes));
        }
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
        self.shown.dec_by(signed(bytes));
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A request's body while it is received: shared by its reader and by the answer.
#[derive(Clone)]
pub struct RequestBody(Rc<Received>);

struct Received {
    payload: RefCell<Payload>,
    budget: Arc<BodyBudget>,
    exceeds_budget: Cell<bool>,
    /// True once a read has failed.
    is_broken: Cell<bool>,
}

impl RequestBody {
    /// Shares the body of a request that has one.
    pub fn share(payload: Payload, budget: &Arc<BodyBudget>) -> Option<Self> {
        if let Payload::None = payload {
            return None;
        }
        Some(Self(Rc::new(Received {
            payload: RefCell::new(payload),
            budget: Arc::clone(budget),
            exceeds_budget: Cell::new(false),
            is_broken: Cell::new(false),
        })))
    }

    /// The payload for the reader.
    pub fn reader(&self) -> Payload {
        Payload::Stream {
            payload: Box::pin(BodyReader {
                received: Rc::clone(&self.0),
                taken: 0,
            }),
        }
    }

    /// True if there was no memory left for the body.
    pub fn exceeds_budget(&self) -> bool {
        self.0.exceeds_budget.get()
    }

    /// True if the body can't be received any more. Bytes that have arrived are thrown away.
    pub fn is_broken(&self) -> bool {
        if self.0.is_broken.get() {
            return true;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut payload = self.0.payload.borrow_mut();
        loop {
            match Pin::new(&mut *payload).poll_next(&mut cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) => return true,
                Poll::Ready(None) | Poll::Pending => return false,
            }
        }
    }
}

/// A middleware for pages that read a short body or none: a request with an unread one ends its connection.
///
/// # Errors
/// Only what a middleware inside this one fails with.
pub async fn read_short_body<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<AnswerBody>, actix_web::Error> {
    let budget = BodyBudget::new(SHORT_BODY_LEN_MAX, Gauge::default());
    let body = RequestBody::share(request.take_payload(), &budget);
    if let Some(body) = &body {
        request.set_payload(body.reader());
    }
    let response = next.call(request).await?.map_into_boxed_body();
    Ok(response.map_body(|_, answer| AnswerBody::new(answer, None, body)))
}

/// Counts the bytes that it reads, until it has done so.
struct BodyReader {
    received: Rc<Received>,
    taken: usize,
}

impl Stream for BodyReader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let received = Rc::clone(&self.received);
        let mut payload = received.payload.borrow_mut();
        let read = Pin::new(&mut *payload).poll_next(cx);
        match &read {
            Poll::Ready(Some(Ok(bytes))) => {
                if !received.budget.take(bytes.len()) {
                    received.exceeds_budget.set(true);
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                self.taken += bytes.len();
            }
            Poll::Ready(Some(Err(_))) => received.is_broken.set(true),
            Poll::Ready(None) | Poll::Pending => {}
        }
        read
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        self.received.budget.give_back(self.taken);
    }
}

/// An answer's body, which keeps its request's body until its own end.
pub struct AnswerBody {
    body: BoxBody,
    /// The rest of the body's last chunk.
    rest: Bytes,
    under_way: Option<UnderWay>,
    #[expect(dead_code, reason = "see the module: it must not be dropped before")]
    request_body: Option<RequestBody>,
}

impl AnswerBody {
    /// The answer to a request.
    pub fn new(
        body: BoxBody,
        under_way: Option<UnderWay>,
        request_body: Option<RequestBody>,
    ) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            under_way,
            request_body,
        }
    }
}

impl MessageBody for AnswerBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.rest = bytes,
                // All our bodies are whole.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(under_way) = &self.under_way {
            under_way.hands_on_a_part();
        }
        let len = self.rest.len().min(PART_LEN);
        Poll::Ready(Some(Ok(self.rest.split_to(len))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, future::poll_fn};

    use super::*;

    fn body_of(bytes: &[u8]) -> Payload {
        Payload::from(Bytes::copy_from_slice(bytes))
    }

    async fn read(payload: &mut Payload) -> Option<Result<Bytes, PayloadError>> {
        payload.next().await
    }

    #[tokio::test]
    async fn bodies_beyond_the_budget_are_not_read_until_others_are_done_with() {
        let shown = Gauge::default();
        let budget = BodyBudget::new(10, shown.clone());
        let first = RequestBody::share(body_of(b"1234567"), &budget).unwrap();
        let second = RequestBody::share(body_of(b"89ab"), &budget).unwrap();
        let mut reader = first.reader();
        assert!(read(&mut reader).await.unwrap().is_ok());
        assert_eq!(shown.get(), 7);
        assert!(read(&mut second.reader()).await.unwrap().is_err());
        assert!(second.exceeds_budget() && !first.exceeds_budget());
        drop(reader);
        assert_eq!(shown.get(), 0);
        let third = RequestBody::share(body_of(b"cdef"), &budget).unwrap();
        assert!(read(&mut third.reader()).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_large_answer_is_handed_on_in_parts() {
        let bytes = Bytes::from(vec![7; PART_LEN * 2 + 1]);
        let mut body = Box::pin(AnswerBody::new(BoxBody::new(bytes), None, None));
        assert_eq!(body.size(), BodySize::Sized(PART_LEN as u64 * 2 + 1));
        let mut lens = Vec::new();
        while let Some(Ok(part)) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            lens.push(part.len());
        }
        assert_eq!(lens, [PART_LEN, PART_LEN, 1]);
    }
}
