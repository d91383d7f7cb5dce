//! What is looked at every few seconds.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use anyhow::Context;
use serde::Serialize;
use splitcart::db;
use sqlx::PgConnection;

use crate::{
    db::soak,
    sink_lag::{Lag, note_lag},
};

/// A look.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub at_s: f64,
    pub is_snapshot_open: bool,
    /// Events published to all sinks a second, divided by their number, since the look before.
    pub events_per_s: f64,
    pub checkouts_per_s: f64,
    /// The mean time of a checkout since the look before.
    pub checkout_ms: f64,
    pub outbox_mb: f64,
    /// The index through which the relay looks for events.
    pub index_mb: f64,
    pub dead_rows: i64,
    pub sinks: BTreeMap<String, Lag>,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6.0} s: {:5.0} events/s, {:4.0} checkouts/s of {:5.1} ms, outbox {:5.0} MB, {} dead rows",
            self.at_s,
            self.events_per_s,
            self.checkouts_per_s,
            self.checkout_ms,
            self.outbox_mb,
            self.dead_rows
        )?;
        for (sink, lag) in &self.sinks {
            write!(f, ", {sink} {:.2} s behind", lag.oldest_s)?;
        }
        if self.is_snapshot_open {
            write!(f, ", snapshot open")?;
        }
        Ok(())
    }
}

/// Looks at the server's metrics and at the database.
pub(super) struct Sampler {
    client: reqwest::Client,
    ops: SocketAddr,
    connection: PgConnection,
    before: Before,
}

/// Counters at the look before.
#[derive(Default)]
struct Before {
    at_s: f64,
    published: f64,
    checkouts: f64,
    spent_s: f64,
}

impl Sampler {
    pub(super) async fn new(url: &str, ops: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            client: reqwest::Client::new(),
            ops,
            connection: db::pool::connect(&url.into()).await?,
            before: Before::default(),
        })
    }

    pub(super) async fn look(
        &mut self,
        elapsed: Duration,
        is_snapshot_open: bool,
    ) -> anyhow::Result<Sample> {
        let url = format!("http://{}/metrics", self.ops);
        let answer = self.client.get(url).send().await;
        let metrics = answer.context("the server is away")?.text().await?;
        let mut sinks = BTreeMap::new();
        note_lag(&mut sinks, &metrics);
        let at_s = elapsed.as_secs_f64();
        let published =
            sinks.values().map(|lag: &Lag| lag.published).sum::<f64>() / sinks.len() as f64;
        let of_checkouts = "splitcart_http_request_duration_seconds";
        let route = "route=\"/api/v1/checkout\"";
        let checkouts = sum(&metrics, &format!("{of_checkouts}_count"), route);
        let spent_s = sum(&metrics, &format!("{of_checkouts}_sum"), route);
        let before = &self.before;
        let passed = (at_s - before.at_s).max(1e-3);
        let size = soak::size(&mut self.connection).await?;
        let done = checkouts - before.checkouts;
        let sample = Sample {
            at_s,
            is_snapshot_open,
            events_per_s: (published - before.published) / passed,
            checkouts_per_s: done / passed,
            checkout_ms: (spent_s - before.spent_s) * 1000.0 / done.max(1.0),
            outbox_mb: size.outbox_bytes as f64 / 1e6,
            index_mb: size.index_bytes as f64 / 1e6,
            dead_rows: size.dead_rows,
            sinks,
        };
        self.before = Before {
            at_s,
            published,
            checkouts,
            spent_s,
        };
        Ok(sample)
    }
}

/// The sum of a metric's lines with this label.
fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    let of_name = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('{'))
    };
    let lines = metrics
        .lines()
        .filter(of_name)
        .filter(|line| line.contains(label));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_a_metric_with_the_label_are_added() {
        let metrics = "x_sum{route=\"/a\",status=\"201\"} 2\nx_sum{route=\"/a\",status=\"409\"} 0.5\n\
                       x_sum{route=\"/b\"} 7\nx_sum_more{route=\"/a\"} 9\n";
        let difference = sum(metrics, "x_sum", "route=\"/a\"") - 2.5;
        assert!(difference.abs() < 1e-9, "{difference}");
    }
}
