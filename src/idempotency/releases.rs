//! Claims that could not be given up when they should have been, because Redis did not answer.
//!
//! The pause after a failure spares requests; here nobody waits, so it is not kept. One at a time, in
//! their order: a dead Redis is asked no more often for a thousand claims than for one. Each is tried
//! for as long as its lease lives; then it has gone by itself.

use std::time::{Duration, Instant};

use redis::Script;
use tokio::{sync::mpsc, time};

use crate::redis_client::Connection;

use super::claims::Claim;

/// How many may wait; those of more end with their lease.
const WAITING_MAX: usize = 10_000;
/// How long Redis is left alone between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// Where they are handed in. Dropped, nothing more is tried.
#[derive(Debug)]
pub struct Releases {
    waiting: mpsc::Sender<(Claim, Instant)>,
}

impl Releases {
    /// Begins to wait for claims. Must be called on the runtime of the connection.
    pub fn start(connection: Connection, script: Script) -> Self {
        let (waiting, claims) = mpsc::channel(WAITING_MAX);
        tokio::spawn(release_all(connection, script, claims));
        Self { waiting }
    }

    /// Gives a claim up as soon as Redis answers.
    pub fn add(&self, claim: Claim, lease: Duration) {
        if self
            .waiting
            .try_send((claim, Instant::now() + lease))
            .is_err()
        {
            tracing::warn!("too many claims wait for Redis; one is left to end with its lease");
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
            let mut invocation = script.key(claim.key());
            invocation.arg(claim.owner());
            let attempt = invocation.invoke_async::<i64>(&mut connection);
            if attempt.await.is_ok() {
                break;
            }
            time::sleep(RETRY_EVERY).await;
        }
    }
}
