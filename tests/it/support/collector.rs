//! A collector of traces: an HTTP server that reads OTLP by the types of the OpenTelemetry project, answers
//! as a test says, and remembers the spans.

use std::{
    convert::Infallible,
    fmt::Write,
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{sync::watch, task::JoinHandle};

use super::{background, wait};

/// The way in which posts are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    All,
    /// Everything is answered with this status.
    Nothing(u16),
    /// Nothing is answered, and the connection stays open.
    Forever,
}

/// A server on a port of its own. Ends when dropped.
pub struct Collector {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    takes: watch::Sender<Takes>,
    posts: Mutex<Vec<Post>>,
    connections: AtomicUsize,
}

#[derive(Clone, Debug)]
pub struct Post {
    pub path: String,
    pub headers: hyper::HeaderMap,
    pub resource: Vec<KeyValue>,
    pub spans: Vec<Span>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = background::listen().await;
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            takes: watch::channel(Takes::All).0,
            posts: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let accepting = background::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let serving = Arc::clone(&serving);
                let answer = service_fn(move |request| Arc::clone(&serving).answer(request));
                let io = TokioIo::new(stream);
                tokio::spawn(http1::Builder::new().serve_connection(io, answer));
            }
        });
        Self {
            port,
            shared,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Answers in another way from now on.
    pub fn take(&self, takes: Takes) {
        self.shared.takes.send_replace(takes);
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The posts that were taken.
    pub fn posts(&self) -> Vec<Post> {
        self.shared.posts.lock().unwrap().clone()
    }

    /// The spans that were taken, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        self.posts().into_iter().flat_map(|it| it.spans).collect()
    }

    /// Waits for so many spans of this name, and returns them.
    pub async fn until_named(&self, name: &str, count: usize) -> Vec<Span> {
        let named = || {
            let mut spans = self.spans();
            spans.retain(|span| span.name == name);
            spans
        };
        wait::until(&format!("{count} spans {name:?} came"), async || {
            named().len() >= count
        })
        .await;
        named()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut takes = self.takes.subscribe();
        let takes = takes.wait_for(|takes| *takes != Takes::Forever).await;
        let takes = *takes.unwrap();
        let mut response = Response::new(Empty::new());
        if let Takes::Nothing(status) = takes {
            *response.status_mut() = status.try_into().unwrap();
            return Ok(response);
        }
        let mut bytes = Vec::new();
        if head
            .headers
            .get("content-encoding")
            .is_some_and(|it| it == "gzip")
        {
            GzDecoder::new(&*body).read_to_end(&mut bytes).unwrap();
        } else {
            bytes.extend_from_slice(&body);
        }
        let sent = ExportTraceServiceRequest::decode(&*bytes).unwrap();
        for resource_spans in sent.resource_spans {
            let scopes = resource_spans.scope_spans.into_iter();
            self.posts.lock().unwrap().push(Post {
                path: head.uri.path().to_owned(),
                headers: head.headers.clone(),
                resource: resource_spans.resource.unwrap_or_default().attributes,
                spans: scopes.flat_map(|scope| scope.spans).collect(),
            });
        }
        Ok(response)
    }
}

/// An attribute in words; empty if there is none of this name.
pub fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|it| it.key == name);
    let value = found.and_then(|it| it.value.clone());
    match value {
        None | Some(AnyValue { value: None, .. }) => String::new(),
        Some(AnyValue {
            value: Some(value), ..
        }) => match value {
            Value::StringValue(text) => text,
            Value::BoolValue(it) => it.to_string(),
            Value::IntValue(it) => it.to_string(),
            Value::DoubleValue(it) => it.to_string(),
            other => format!("{other:?}"),
        },
    }
}

/// An id in hex.
pub fn hex(id: &[u8]) -> String {
    let mut hex = String::new();
    for byte in id {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}
