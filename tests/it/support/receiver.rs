//! A receiver of webhooks, which answers as a test says and remembers what it was sent.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};

use super::{background, wait};

/// The way in which requests are answered.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    Redirect(String),
    /// Nothing is answered, and the connection stays open until the answer is another one.
    Never,
    /// A body without an end.
    Endless,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: String,
}

/// A server on a port of its own. Ends when dropped.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    answer: watch::Sender<Answer>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    waiting: AtomicUsize,
}

impl Receiver {
    /// A receiver that answers 200.
    pub async fn start() -> Self {
        let listener = background::listen().await;
        let port = listener.local_addr().unwrap().port();
        let (answer, _) = watch::channel(Answer::Status(200));
        let shared = Arc::new(Shared {
            answer,
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let accepting = background::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        Self {
            port,
            shared,
            accepting,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?store=1", self.port)
    }

    /// Answers in another way from now on, also those that wait.
    pub fn answer(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The number of requests that are not answered.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::SeqCst)
    }

    /// All requests, in the sequence in which they came.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub async fn until_received(&self, count: usize) -> Vec<Received> {
        wait::until(&format!("{count} webhooks came"), async || {
            self.received().len() >= count
        })
        .await;
        self.received()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The `webhook-id`.
    pub fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    /// True if the crate that receivers use takes the signature.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = Webhook::new(secret).unwrap();
        key.verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let Some(request) = read(&mut stream).await else {
            return;
        };
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.received.lock().unwrap().push(request);
        let mut answers = self.answer.subscribe();
        let answer = answers
            .wait_for(|answer| !matches!(answer, Answer::Never))
            .await
            .unwrap()
            .clone();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        match answer {
            Answer::Never => {}
            Answer::Status(status) => {
                let head = format!("HTTP/1.1 {status} Word\r\ncontent-length: 0\r\n\r\n");
                drop(stream.write_all(head.as_bytes()).await);
            }
            Answer::Redirect(to) => {
                let head =
                    format!("HTTP/1.1 307 Word\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                drop(stream.write_all(head.as_bytes()).await);
            }
            Answer::Endless => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                drop(stream.write_all(head.as_bytes()).await);
                let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            }
        }
    }
}

/// Reads one request with a `content-length`.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
    {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let len: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
    while bytes.len() < head_end + 4 + len {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[head_end + 4..].to_vec()).ok()?;
    Some(Received { headers, body })
}
