//! The live stream of orders, read as a client reads it.

mod ends;
mod resume;
mod who_sees_what;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{Client, contract::check_event};

const PATH: &str = "/api/v1/orders/stream";

/// An open stream.
struct Stream {
    reply: Response,
    unread: String,
    /// The last `id` that was read.
    last_id: String,
    heartbeats: usize,
}

/// An event of a stream.
struct SentEvent {
    name: String,
    data: Value,
}

impl Stream {
    async fn open(client: &Client) -> Self {
        Self::of(ask(client, None).await).await
    }

    async fn resume(client: &Client, last_id: &str) -> Self {
        Self::of(ask(client, Some(last_id)).await).await
    }

    /// Reads up to the first id.
    async fn of(reply: Response) -> Self {
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let mut stream = Self {
            reply,
            unread: String::new(),
            last_id: String::new(),
            heartbeats: 0,
        };
        while stream.last_id.is_empty() {
            assert!(stream.block().await.is_some_and(|event| event.is_none()));
        }
        stream
    }

    /// The next event, which must be as documented; `None` at the end of the stream.
    async fn next(&mut self) -> Option<SentEvent> {
        loop {
            if let Some(event) = self.block().await? {
                if event.name != "reset" {
                    check_event(&event.data);
                    assert_eq!(event.data["type"], event.name);
                }
                return Some(event);
            }
        }
    }

    /// The next event's type and what it is about.
    async fn next_words(&mut self) -> (String, String) {
        let event = self.next().await.expect("the stream goes on");
        let about = event.data["aggregate_id"].as_str().unwrap().to_owned();
        (event.name, about)
    }

    /// The next block of lines, which need not be an event.
    async fn block(&mut self) -> Option<Option<SentEvent>> {
        let end = loop {
            if let Some(end) = self.unread.find("\n\n") {
                break end;
            }
            let chunk = self.reply.chunk().await.ok()??;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        };
        let block: String = self.unread.drain(..end + 2).collect();
        let (mut name, mut data) = (None, None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.last_id),
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                Some(("", "heartbeat")) => self.heartbeats += 1,
                _ => {}
            }
        }
        Some(name.zip(data).map(|(name, data)| SentEvent { name, data }))
    }
}

async fn ask(client: &Client, last_id: Option<&str>) -> Response {
    let request = client.request(Method::GET, PATH);
    let request = match last_id {
        Some(id) => request.header("Last-Event-ID", id),
        None => request,
    };
    request.send().await.unwrap()
}
