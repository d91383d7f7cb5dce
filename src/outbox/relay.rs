//! The relay's loop: publishes the events of this process to the primary sink as they are committed, and
//! regularly those that other processes left behind.
//!
//! An event is claimed by its writer when it is written, so the usual event needs no statement to claim
//! it. If the writer dies, or its relay falls behind, the claim expires and any relay claims the event
//! again.
//!
//! A claim is one short statement with a lease, so no transaction is open while the relay talks to the
//! broker, and any number of relays can run. A relay that dies after publishing and before marking causes
//! a second publication with the same `event_id`. A relay that slept for longer than its lease publishes
//! nothing under the expired claims and changes no row of theirs.
//!
//! Events of one aggregate are published one after the other. The later ones are not claimed meanwhile; the
//! relay that has published one looks at once for the next.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::{
    db::{
        self,
        outbox::{ClaimedEvent, LookBack},
    },
    domain::event::OrderCreated,
};

use super::{
    backoff::{limit_after, pause_after},
    delivery::Delivery,
    publisher::{PublishError, Publisher},
};

/// The longest pause between two attempts to reach a broker or a database that is away.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The time limit of a statement; a slow database gets longer after each failure ([`limit_after`]).
const STATEMENT_MAX: Duration = Duration::from_secs(2);
/// The interval of searches for due events of any age; searches in between go back [`RECENT`] only.
const SEARCH_ALL_EVERY: Duration = Duration::from_secs(30);
/// Longer than a transaction takes from its begin to its commit, the event's lease included.
const RECENT: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The interval of searches for events that other processes left behind.
    pub poll: Duration,
    /// The most events claimed at once.
    pub claim_max: i64,
    /// The lease of a claim.
    pub claim_lease: Duration,
    /// The number of refusals after which an event becomes a dead letter.
    pub attempts_max: i32,
}

#[derive(Debug)]
pub struct Relay {
    publisher: Publisher,
    committed: mpsc::Receiver<Vec<ClaimedEvent>>,
    limits: Limits,
    /// Rounds in a row that failed.
    failures: u32,
    /// The start of the last search of any age that left nothing due.
    all_searched_at: Option<Instant>,
}

impl Relay {
    /// `pool` must be the relay's alone; one connection is enough. `committed` delivers the events that
    /// this process commits, claimed when they were written.
    pub(super) fn new(
        pool: PgPool,
        delivery: Delivery,
        committed: mpsc::Receiver<Vec<ClaimedEvent>>,
        limits: Limits,
    ) -> Self {
        Self {
            publisher: Publisher {
                pool,
                statement_max: STATEMENT_MAX,
                delivery,
                attempts_max: limits.attempts_max,
            },
            committed,
            limits,
            failures: 0,
            all_searched_at: None,
        }
    }

    /// Publishes until `stopping` is true, and then once more everything that still waits.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            // Read before the round, so that everything committed before the signal is published.
            let last_round = *stopping.borrow_and_update();
            let outcome = self.publish_all().await;
            let pause = match outcome {
                Ok(()) => {
                    self.count_failures(0);
                    self.limits.poll
                }
                Err(error) => {
                    self.count_failures(self.failures.saturating_add(1));
                    // Released claims are due now, but what failed may be older than the recent ones.
                    self.all_searched_at = None;
                    log_retry(&error);
                    pause_after(self.failures, PAUSE_MAX)
                }
            };
            if last_round {
                return;
            }
            self.publish_as_committed(pause, &mut stopping).await;
        }
    }

    fn count_failures(&mut self, failures: u32) {
        self.failures = failures;
        self.publisher.statement_max = limit_after(failures, STATEMENT_MAX);
    }

    /// Publishes what this process commits until the next round is due or publishing fails.
    ///
    /// After a failure nothing is taken from the channel; events that no longer fit into it are found in
    /// the outbox when their claims have expired.
    async fn publish_as_committed(
        &mut self,
        pause: Duration,
        stopping: &mut watch::Receiver<bool>,
    ) {
        let next_round = tokio::time::sleep(pause);
        tokio::pin!(next_round);
        loop {
            // Only waiting is ever cut short, never publishing.
            let events = tokio::select! {
                Some(events) = self.committed.recv(), if self.failures == 0 => events,
                () = &mut next_round => return,
                _ = stopping.changed() => return,
            };
            if let Err(error) = self.publish_committed(events).await {
                log_retry(&error);
                return;
            }
        }
    }

    async fn publish_committed(
        &mut self,
        mut events: Vec<ClaimedEvent>,
    ) -> Result<(), PublishError> {
        let enough = usize::try_from(self.limits.claim_max).unwrap_or(usize::MAX);
        while events.len() < enough
            && let Ok(more) = self.committed.try_recv()
        {
            events.extend(more);
        }
        self.publish(events).await
    }

    async fn publish_all(&mut self) -> Result<(), PublishError> {
        while let Ok(events) = self.committed.try_recv() {
            self.publish_committed(events).await?;
        }
        self.claim_and_publish_due().await
    }

    async fn claim_and_publish_due(&mut self) -> Result<(), PublishError> {
        self.publisher.check_is_primary().await?;
        let started = Instant::now();
        let look_back = match self.all_searched_at {
            Some(at) if at.elapsed() < SEARCH_ALL_EVERY => LookBack::Recent(RECENT),
            Some(_) | None => LookBack::Everything,
        };
        let (claim_max, lease) = (self.limits.claim_max, self.limits.claim_lease);
        loop {
            let Publisher {
                pool,
                statement_max,
                ..
            } = &self.publisher;
            let claimed = db::within(pool, *statement_max, async |connection| {
                db::outbox::claim(connection, claim_max, lease, look_back).await
            });
            let claimed = claimed.await?;
            // Only after a full claim may more events be due, beside those that wait for one of these.
            let is_full = claimed.len() as u64 >= claim_max.unsigned_abs();
            self.publish(claimed).await?;
            if !is_full {
                break;
            }
        }
        if look_back == LookBack::Everything {
            self.all_searched_at = Some(started);
        }
        Ok(())
    }

    /// Publishes events, and then those of the same aggregates that have waited for them, until none is due.
    async fn publish(&mut self, mut events: Vec<ClaimedEvent>) -> Result<(), PublishError> {
        while !events.is_empty() {
            self.publisher.publish(&events).await?;
            let aggregates = with_later_events(&events);
            if aggregates.is_empty() {
                return Ok(());
            }
            let lease = self.limits.claim_lease;
            let Publisher {
                pool,
                statement_max,
                ..
            } = &self.publisher;
            let next = db::within(pool, *statement_max, async |connection| {
                db::outbox::claim_next_in_order(connection, &aggregates, lease).await
            });
            events = next.await?;
        }
        Ok(())
    }
}

/// The aggregates of events, except those that have a single event.
fn with_later_events(events: &[ClaimedEvent]) -> Vec<Uuid> {
    let events = events.iter().map(|claimed| &claimed.event);
    let aggregates: BTreeSet<_> = events
        .filter(|event| event.aggregate_type != OrderCreated::AGGREGATE)
        .map(|event| event.aggregate_id)
        .collect();
    aggregates.into_iter().collect()
}

fn log_retry(error: &PublishError) {
    tracing::warn!("the outbox relay will try again: {error}");
}
