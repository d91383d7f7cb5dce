//! The number of checkouts that shared a transaction, by the server's own metrics before and after.

use std::{net::SocketAddr, time::Duration};

use serde::Serialize;

/// The longest wait for the private listener.
const WAIT_MAX: Duration = Duration::from_secs(2);
const METRIC: &str = "splitcart_batch_size_";

/// The histogram of batch sizes at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Up to which size, and how many so far; cumulative.
    buckets: Vec<(String, f64)>,
    sum: f64,
    count: f64,
}

/// The batches between two moments.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Batches {
    pub count: u64,
    /// Checkouts in one, on the average.
    pub mean_size: f64,
    /// Batches of a size up to `up_to` and above the bound before.
    pub sizes: Vec<Size>,
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// The greatest size, `+Inf` for the last.
    pub up_to: String,
    pub count: u64,
}

/// Asks the private listener.
///
/// # Errors
/// It can't be reached, or is not ours.
pub async fn ask(ops: SocketAddr) -> anyhow::Result<Snapshot> {
    let client = reqwest::Client::builder().timeout(WAIT_MAX).build()?;
    let url = format!("http://{ops}/metrics");
    let text = client.get(url).send().await?.error_for_status()?;
    Ok(Snapshot::read(&text.text().await?))
}

impl Snapshot {
    /// Out of the text of `/metrics`.
    fn read(text: &str) -> Self {
        let mut snapshot = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line
                .strip_prefix(METRIC)
                .and_then(|rest| rest.rsplit_once(' '))
            else {
                continue;
            };
            let value: f64 = value.parse().unwrap_or(0.0);
            match name {
                "sum" => snapshot.sum = value,
                "count" => snapshot.count = value,
                _ => {
                    let up_to = name
                        .strip_prefix("bucket{le=\"")
                        .and_then(|rest| rest.strip_suffix("\"}"));
                    if let Some(up_to) = up_to {
                        let up_to = up_to.trim_end_matches(".0").to_owned();
                        snapshot.buckets.push((up_to, value));
                    }
                }
            }
        }
        snapshot
    }

    /// The batches since an earlier snapshot; none if there were none.
    pub fn since(&self, earlier: &Self) -> Option<Batches> {
        let count = self.count - earlier.count;
        if count <= 0.0 {
            return None;
        }
        let mut below = 0.0;
        let mut sizes = Vec::with_capacity(self.buckets.len());
        for (up_to, now) in &self.buckets {
            let before = earlier.buckets.iter().find(|it| it.0 == *up_to);
            let so_far = now - before.map_or(0.0, |it| it.1);
            sizes.push(Size {
                up_to: up_to.clone(),
                count: whole(so_far - below),
            });
            below = so_far;
        }
        Some(Batches {
            count: whole(count),
            mean_size: (self.sum - earlier.sum) / count,
            sizes,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters are whole and grow; a server that was started anew shows as 0"
)]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use splitcart::metrics::Metrics;

    #[test]
    fn the_servers_own_metrics_are_understood() {
        let metrics = Metrics::new();
        metrics.batch_size.observe(1.0);
        let before = Snapshot::read(&metrics.encode(&[]).unwrap());
        for size in [1.0, 4.0, 3.0, 32.0] {
            metrics.batch_size.observe(size);
        }
        let after = Snapshot::read(&metrics.encode(&[]).unwrap());

        let batches = after.since(&before).unwrap();
        assert_eq!(batches.count, 4);
        assert!((batches.mean_size - 10.0).abs() < 1e-9);
        let seen: Vec<_> = batches.sizes.iter().filter(|it| it.count > 0).collect();
        let seen: Vec<_> = seen
            .iter()
            .map(|it| (it.up_to.as_str(), it.count))
            .collect();
        assert_eq!(seen, [("1", 1), ("4", 2), ("32", 1)]);
        assert_eq!(after.since(&after), None);
    }
}
