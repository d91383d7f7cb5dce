//! Reading what the service sends: one moment, or its stream, which is opened again whenever it ends.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::{sync::mpsc, time::timeout};

use crate::moment::{History, Moment};

/// The time that one look may take.
const SNAPSHOT_MAX: Duration = Duration::from_secs(5);
/// A stream over which nothing comes for so long is lost: the service sends something every few seconds.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// The pause before a stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest message. The history of a quarter of an hour is some 300 kB.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

/// What became known.
#[derive(Debug)]
pub enum News {
    History(History),
    Moment(Box<Moment>),
    /// The stream has ended, for this reason. It is opened again.
    Lost(String),
}

/// The newest moment, as JSON.
///
/// # Errors
/// The service can't be reached, or answers something else.
pub async fn snapshot(url: &str) -> anyhow::Result<String> {
    let url = format!("{url}/ops/snapshot");
    let look = async {
        let answer = client()?.get(&url).send().await?;
        let status = answer.status();
        anyhow::Ok((status, answer.text().await?))
    };
    let looked = timeout(SNAPSHOT_MAX, look).await;
    let looked = looked.context("there was no answer in time").flatten();
    let (status, text) = looked.with_context(|| {
        format!("{url} can't be read: does the service run, and is that its private listener (ops.addr)?")
    })?;
    ensure!(status.is_success(), "{url} answers {status}");
    Ok(text)
}

/// The private listener is asked directly: a proxy for what is outside does not reach it.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}

/// Follows the stream until nobody takes the news any more.
pub async fn follow(url: String, news: mpsc::Sender<News>) {
    loop {
        let ended = follow_once(&url, &news).await;
        let reason =
            ended.map_or_else(|error| format!("{error:#}"), |()| "it has ended".to_owned());
        if news.send(News::Lost(reason)).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow_once(url: &str, news: &mpsc::Sender<News>) -> anyhow::Result<()> {
    let stream = client()?.get(format!("{url}/ops/stream"));
    let opening = timeout(SILENT_MAX, stream.send());
    let mut stream = opening.await.context("no answer")??;
    ensure!(
        stream.status().is_success(),
        "the answer is {}",
        stream.status()
    );
    let mut text = Vec::new();
    loop {
        let part = timeout(SILENT_MAX, stream.chunk()).await;
        let Some(part) = part.context("nothing is sent")?? else {
            return Ok(());
        };
        text.extend_from_slice(&part);
        ensure!(text.len() <= MESSAGE_MAX, "a message is too long");
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let message: Vec<_> = text.drain(..end + 2).collect();
            if let Some(found) = read(&String::from_utf8_lossy(&message))?
                && news.send(found).await.is_err()
            {
                return Ok(());
            }
        }
    }
}

/// Reads a message of the stream. Comments are none, and neither are events of later versions.
fn read(message: &str) -> anyhow::Result<Option<News>> {
    let field = |name: &str| {
        let mut lines = message.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let (Some(event), Some(data)) = (field("event"), field("data")) else {
        return Ok(None);
    };
    Ok(match event {
        "history" => Some(News::History(serde_json::from_str(data)?)),
        "moment" => Some(News::Moment(serde_json::from_str(data)?)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_and_comments_and_unknown_events_are_left_out() {
        let history = "retry: 1000\nevent: history\n\
                       data: {\"at_ms\":[1,2],\"checkouts.created\":[null,2.5],\"other\":[0,0]}\n\n";
        let read_history = read(history).expect("it is valid");
        let Some(News::History(history)) = read_history else {
            panic!("{read_history:?}");
        };
        assert_eq!(history.created_per_s, [None, Some(2.5)]);
        assert!(matches!(read(": nothing new\n\n"), Ok(None)));
        assert!(matches!(read("event: later\ndata: 1\n\n"), Ok(None)));
        assert!(read("event: moment\ndata: {}\n\n").is_err());
    }
}
