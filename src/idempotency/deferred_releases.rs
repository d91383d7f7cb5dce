//! Releases claims that could not be released in time because Redis did not answer.
//!
//! No request waits here, so the pause after a failure is not kept. Claims are released one at a time,
//! in the sequence in which they came: an absent Redis gets no more attempts for a thousand claims than
//! for one. Each claim is tried until its lease expires.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use redis::Script;
use tokio::{sync::mpsc, time};

use crate::redis_client::Connection;

use super::claim::Claim;

/// The most claims that wait; the lease of any further one expires by itself.
const WAITING_MAX: usize = 10_000;
/// The pause between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// The queue of claims to be released. Dropping it ends the attempts.
#[derive(Debug)]
pub struct DeferredReleases {
    /// Claims that did not fit into the queue.
    left_out: AtomicU64,
    waiting: mpsc::Sender<(Claim, Instant)>,
}

impl DeferredReleases {
    /// Starts the task that releases claims. Must be called on the runtime of the connection.
    pub fn start(connection: Connection, script: Script) -> Self {
        let (waiting, claims) = mpsc::channel(WAITING_MAX);
        tokio::spawn(release_all(connection, script, claims));
        Self {
            left_out: AtomicU64::default(),
            waiting,
        }
    }

    /// Releases a claim as soon as Redis answers.
    pub fn add(&self, claim: Claim, lease: Duration) {
        if self
            .waiting
            .try_send((claim, Instant::now() + lease))
            .is_err()
        {
            let left_out = self.left_out.fetch_add(1, Ordering::Relaxed);
            // A line for each would mean a line per request.
            if left_out.is_multiple_of(WAITING_MAX as u64) {
                tracing::warn!(
                    "too many claims wait for Redis; so far the leases of {} are left to expire",
                    left_out + 1
                );
            }
        }
    }
}

async fn release_all(
    connection: Connection,
    script: Script,
    mut claims: mpsc::Receiver<(Claim, Instant)>,
) {
    while let Some((claim, lease_end)) = claims.recv().await {
        while Instant::now() < lease_end {
            let mut connection = connection.clone();
            let mut invocation = script.key(&claim.keys.answer);
            invocation.arg(&claim.owner);
            let attempt = invocation.invoke_async::<i64>(&mut connection);
            if attempt.await.is_ok() {
                break;
            }
            time::sleep(RETRY_EVERY).await;
        }
    }
}
