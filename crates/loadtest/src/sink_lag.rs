//! How far the sinks are behind, as the server's metrics say while it runs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_millis(500);

/// The lag of a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lag {
    pub published: f64,
    /// The last look, and the greatest of all looks. The server counts up to 10,001.
    pub waiting: f64,
    pub waiting_max: f64,
    pub oldest_s: f64,
    pub oldest_s_max: f64,
    /// The looks at which the sink was reported to take nothing, in seconds.
    pub down_s: f64,
}

/// Looks at the metrics until it is dropped.
#[derive(Debug)]
pub struct LagWatch {
    lags: Arc<Mutex<BTreeMap<String, Lag>>>,
    task: JoinHandle<()>,
}

impl LagWatch {
    pub fn start(ops: SocketAddr) -> Self {
        let lags = Arc::new(Mutex::new(BTreeMap::new()));
        let seen = Arc::clone(&lags);
        let task = actix_rt::spawn(async move {
            let client = reqwest::Client::new();
            let mut looked_at = Instant::now();
            loop {
                tokio::time::sleep(EVERY).await;
                let Ok(answer) = client.get(format!("http://{ops}/metrics")).send().await else {
                    continue;
                };
                let text = answer.text().await.unwrap_or_default();
                let passed = looked_at.elapsed();
                looked_at = Instant::now();
                let mut lags = seen.lock().unwrap_or_else(PoisonError::into_inner);
                note(&mut lags, &text, passed);
            }
        });
        Self { lags, task }
    }

    /// What was seen so far, by the name of the sink.
    pub fn seen(&self) -> BTreeMap<String, Lag> {
        let lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.clone()
    }
}

impl Drop for LagWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Notes what the metrics say now.
pub fn note_lag(lags: &mut BTreeMap<String, Lag>, metrics: &str) {
    note(lags, metrics, Duration::ZERO);
}

fn note(lags: &mut BTreeMap<String, Lag>, metrics: &str, passed: Duration) {
    for line in metrics.lines() {
        let Some((name, sink, value)) = of_sink(line) else {
            continue;
        };
        let lag = lags.entry(sink.to_owned()).or_default();
        match name {
            "splitcart_outbox_published_total" => lag.published = value,
            "splitcart_outbox_sink_waiting" => {
                lag.waiting = value;
                lag.waiting_max = lag.waiting_max.max(value);
            }
            "splitcart_outbox_sink_oldest_seconds" => {
                lag.oldest_s = value;
                lag.oldest_s_max = lag.oldest_s_max.max(value);
            }
            "splitcart_outbox_sink_up" if value == 0.0 => lag.down_s += passed.as_secs_f64(),
            _ => {}
        }
    }
}

/// The name, the sink and the value of a metric whose only label is the sink.
fn of_sink(line: &str) -> Option<(&str, &str, f64)> {
    let (name, rest) = line.split_once("{sink=\"")?;
    let (sink, value) = rest.split_once("\"} ")?;
    // Others have a second label.
    if sink.contains('"') {
        return None;
    }
    Some((name, sink, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_lag_stays() {
        let mut lags = BTreeMap::new();
        for (waiting, up) in [(7, 1), (90, 0), (3, 1)] {
            let text = format!(
                "# HELP of it\nsplitcart_outbox_sink_waiting{{sink=\"nats\"}} {waiting}\n\
                 splitcart_outbox_sink_up{{sink=\"nats\"}} {up}\nother 5\n\
                 splitcart_outbox_sink_failures_total{{sink=\"nats\",reason=\"full\"}} 9\n"
            );
            note(&mut lags, &text, Duration::from_secs(2));
        }
        assert_eq!(lags.len(), 1);
        let lag = lags["nats"];
        assert_eq!((lag.waiting, lag.waiting_max), (3.0, 90.0));
        assert!((lag.down_s - 2.0).abs() < 1e-9, "{}", lag.down_s);
    }
}
