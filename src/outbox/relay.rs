//! The relay's loop: publish what this process commits, as it comes, and mark it; now and then look
//! for what others have left behind: claim, publish, mark.
//!
//! An event is claimed by its writer when it is written, so the usual one is never claimed by a
//! statement of its own. If the writer dies, or its relay is behind, the claim ends by itself.
//!
//! A claim is one short statement with a lease, so no transaction is open while the relay talks to
//! the broker, and any number of relays can run. A relay that dies after publishing and before
//! marking leads to a second publication with the same `event_id`.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use crate::{
    db::{self, outbox::ClaimedEvent},
    faults,
    metrics::Metrics,
};

use super::redis_stream::{PublishError, RedisStream};

/// The longest pause between two tries to reach a broker that is away.
const BROKER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the outbox is counted, at most.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// The longest wait of an event that the broker has refused.
const EVENT_WAIT_MAX: Duration = Duration::from_mins(5);

/// The relay's limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How often it looks for what others have left behind.
    pub poll: Duration,
    /// The most events claimed at once.
    pub claim_max: i64,
    /// How long a claim holds.
    pub claim_lease: Duration,
    /// After so many refusals an event becomes a dead letter.
    pub attempts_max: i32,
}

/// See the module.
#[derive(Debug)]
pub struct Relay {
    /// One connection is enough.
    pub pool: PgPool,
    /// Where events go.
    pub stream: RedisStream,
    /// What this process has committed, claimed when it was written.
    pub committed: mpsc::Receiver<Vec<ClaimedEvent>>,
    /// Its limits.
    pub limits: Limits,
    /// Where to count.
    pub metrics: Metrics,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error(transparent)]
    Broker(PublishError),
}

impl Relay {
    /// Publishes until `stopping` is true, and then once more whatever is still waiting.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut failures = 0;
        let mut measured_at = None;
        loop {
            // Read before the round, so that what is committed before the signal is published.
            let last_round = *stopping.borrow_and_update();
            let wait = match self.publish_all().await {
                Ok(()) => {
                    failures = 0;
                    self.limits.poll
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!("the outbox relay will try again: {error}");
                    backoff(failures, BROKER_WAIT_MAX)
                }
            };
            if last_round {
                return;
            }
            if measured_at.is_none_or(|at: Instant| at.elapsed() >= MEASURE_EVERY) {
                self.measure().await;
                measured_at = Some(Instant::now());
            }
            self.publish_as_they_come(wait, failures == 0, &mut stopping)
                .await;
        }
    }

    /// Publishes what this process commits until the next round is due or publishing fails. While the
    /// broker is away those events are passed over: their claim ends, and a round finds them in the
    /// outbox.
    async fn publish_as_they_come(
        &mut self,
        wait: Duration,
        broker_is_well: bool,
        stopping: &mut watch::Receiver<bool>,
    ) {
        let next_round = tokio::time::sleep(wait);
        tokio::pin!(next_round);
        loop {
            // Only waiting is ever cut short, never publishing.
            let events = tokio::select! {
                Some(events) = self.committed.recv() => events,
                () = &mut next_round => return,
                _ = stopping.changed() => return,
            };
            if broker_is_well && let Err(error) = self.publish_committed(events).await {
                tracing::warn!("the outbox relay will try again: {error}");
                return;
            }
        }
    }

    async fn publish_committed(&mut self, mut events: Vec<ClaimedEvent>) -> Result<(), RoundError> {
        let enough = usize::try_from(self.limits.claim_max).unwrap_or(usize::MAX);
        while events.len() < enough
            && let Ok(more) = self.committed.try_recv()
        {
            events.extend(more);
        }
        self.publish(&events).await
    }

    async fn publish_all(&mut self) -> Result<(), RoundError> {
        while let Ok(events) = self.committed.try_recv() {
            self.publish_committed(events).await?;
        }
        self.publish_all_due().await
    }

    async fn publish_all_due(&mut self) -> Result<(), RoundError> {
        loop {
            let mut connection = db::pool::acquire(&self.pool).await?;
            let claimed = db::outbox::claim(
                &mut connection,
                self.limits.claim_max,
                self.limits.claim_lease,
            )
            .await?;
            drop(connection);
            self.publish(&claimed).await?;
            // A full claim means that more may be due; anything less was all there is.
            if (claimed.len() as u64) < self.limits.claim_max.unsigned_abs() {
                return Ok(());
            }
        }
    }

    async fn publish(&mut self, claimed: &[ClaimedEvent]) -> Result<(), RoundError> {
        if claimed.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = claimed.iter().collect();
        match self.stream.publish(&events).await {
            Ok(()) => {
                faults::place("after_publish").await;
                self.mark_published(&events).await
            }
            Err(PublishError::Refused(_)) if events.len() > 1 => {
                // Which one was refused is found by sending them one by one; the rest flows.
                for event in events {
                    self.publish_one(event).await?;
                }
                Ok(())
            }
            Err(error) => self.settle_failure(&events, error).await,
        }
    }

    async fn publish_one(&mut self, event: &ClaimedEvent) -> Result<(), RoundError> {
        match self.stream.publish(&[event]).await {
            Ok(()) => self.mark_published(&[event]).await,
            Err(error) => self.settle_failure(&[event], error).await,
        }
    }

    async fn mark_published(&self, events: &[&ClaimedEvent]) -> Result<(), RoundError> {
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let mut connection = db::pool::acquire(&self.pool).await?;
        db::outbox::mark_published(&mut connection, &ids).await?;
        self.metrics.outbox_published.inc_by(ids.len() as u64);
        Ok(())
    }

    async fn settle_failure(
        &self,
        events: &[&ClaimedEvent],
        error: PublishError,
    ) -> Result<(), RoundError> {
        let mut connection = db::pool::acquire(&self.pool).await?;
        let text = error.to_string();
        if let PublishError::Unavailable(_) = error {
            let ids: Vec<_> = events.iter().map(|event| event.id).collect();
            db::outbox::give_back(&mut connection, &ids, &text).await?;
            return Err(RoundError::Broker(error));
        }
        for event in events {
            self.metrics.outbox_refused.inc();
            let attempts = event.attempts + 1;
            if attempts >= self.limits.attempts_max {
                tracing::error!(event.id = %event.id, "event {} is a dead letter: {text}", event.id);
                db::outbox::bury(&mut connection, event.id, &text).await?;
            } else {
                let wait = backoff(attempts, EVENT_WAIT_MAX);
                db::outbox::postpone(&mut connection, event.id, wait, &text).await?;
            }
        }
        Ok(())
    }

    async fn measure(&self) {
        let lag = async {
            let mut connection = db::pool::acquire(&self.pool).await?;
            db::outbox::lag(&mut connection).await
        };
        // A database that is away is reported by the round.
        if let Ok((waiting, oldest_s)) = lag.await {
            self.metrics.outbox_waiting.set(waiting);
            self.metrics.outbox_oldest.set(oldest_s);
        }
    }
}

/// 0.5 s, 1 s, 2 s, … up to the longest.
fn backoff(failures: i32, longest: Duration) -> Duration {
    let exponent = u32::try_from(failures - 1).unwrap_or(0).min(16);
    (Duration::from_millis(500) * 2_u32.pow(exponent)).min(longest)
}
