//! The relay's loop: publish what this process commits, as it comes, and mark it; now and then look
//! for what others have left behind: claim, publish, mark.
//!
//! An event is claimed by its writer when it is written, so the usual one is never claimed by a
//! statement of its own. If the writer dies, or its relay is behind, the claim ends by itself.
//!
//! A claim is one short statement with a lease, so no transaction is open while the relay talks to
//! the broker, and any number of relays can run. A relay that dies after publishing and before
//! marking leads to a second publication with the same `event_id`. One that slept for longer than its
//! claims publishes none of them, and changes nothing of what became of them meanwhile.
//!
//! An event is blamed only where it is refused while the broker takes others: what is said to all is
//! about the broker. Every statement and every publication ends within a limit of this process.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use crate::{
    db::{
        self, Fault,
        outbox::{ClaimedEvent, LookBack},
    },
    faults,
    metrics::Metrics,
};

use super::{
    answers::Unavailable,
    redis_stream::{Answer, Failure, RedisStream},
    sink_state::SinkReport,
};

/// The longest pause between two tries to reach a broker that is away.
const BROKER_WAIT_MAX: Duration = Duration::from_secs(10);
/// The longest wait of an event that the broker has refused.
const EVENT_WAIT_MAX: Duration = Duration::from_mins(5);
/// How long a statement may take. A database that is slow has longer after each failure, up to eight
/// times as long.
const STATEMENT_MAX: Duration = Duration::from_secs(2);
/// How often a look goes back to the oldest events; in between it goes back to those that became due
/// within [`RECENT`].
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(30);
/// Longer than a transaction takes from its begin to its commit, the event's claim included.
const RECENT: Duration = Duration::from_mins(1);

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
    pool: PgPool,
    stream: RedisStream,
    committed: mpsc::Receiver<Vec<ClaimedEvent>>,
    limits: Limits,
    report: SinkReport,
    metrics: Metrics,
    /// Rounds in a row that ended early.
    failures: u32,
    /// When the last look at all events has found nothing left.
    all_seen_at: Option<Instant>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("the broker takes nothing: {0}")]
    Broker(String),
}

impl Relay {
    /// `pool` is the relay's alone, one connection is enough; `committed` is what this process has
    /// committed, claimed when it was written.
    pub fn new(
        pool: PgPool,
        stream: RedisStream,
        committed: mpsc::Receiver<Vec<ClaimedEvent>>,
        limits: Limits,
        report: SinkReport,
        metrics: Metrics,
    ) -> Self {
        Self {
            pool,
            stream,
            committed,
            limits,
            report,
            metrics,
            failures: 0,
            all_seen_at: None,
        }
    }

    /// Publishes until `stopping` is true, and then once more whatever is still waiting.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            // Read before the round, so that what is committed before the signal is published.
            let last_round = *stopping.borrow_and_update();
            let wait = match self.publish_all().await {
                Ok(()) => {
                    self.failures = 0;
                    self.limits.poll
                }
                Err(error) => self.wait_after(&error),
            };
            if last_round {
                return;
            }
            self.publish_as_they_come(wait, &mut stopping).await;
        }
    }

    fn wait_after(&mut self, error: &RoundError) -> Duration {
        self.failures += 1;
        // What was given back is among what is due, but what failed may be older.
        self.all_seen_at = None;
        tracing::warn!("the outbox relay will try again: {error}");
        backoff(self.failures, BROKER_WAIT_MAX)
    }

    /// Publishes what this process commits until the next round is due or publishing fails. While
    /// something is away nothing is taken from the channel; what finds no place in it is found in the
    /// outbox when its claim has ended.
    async fn publish_as_they_come(&mut self, wait: Duration, stopping: &mut watch::Receiver<bool>) {
        let next_round = tokio::time::sleep(wait);
        tokio::pin!(next_round);
        loop {
            // Only waiting is ever cut short, never publishing.
            let events = tokio::select! {
                Some(events) = self.committed.recv(), if self.failures == 0 => events,
                () = &mut next_round => return,
                _ = stopping.changed() => return,
            };
            if let Err(error) = self.publish_committed(events).await {
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
        let started = Instant::now();
        let look_back = match self.all_seen_at {
            Some(at) if at.elapsed() < LOOK_AT_ALL_EVERY => LookBack::Recent(RECENT),
            Some(_) | None => LookBack::Everything,
        };
        let Limits {
            claim_max,
            claim_lease,
            ..
        } = self.limits;
        loop {
            let claimed = db::within(&self.pool, self.statement_max(), async |connection| {
                db::outbox::claim(connection, claim_max, claim_lease, look_back).await
            });
            let claimed = claimed.await?;
            self.publish(&claimed).await?;
            // A full claim means that more may be due; anything less was all there is.
            if (claimed.len() as u64) < claim_max.unsigned_abs() {
                break;
            }
        }
        if look_back == LookBack::Everything {
            self.all_seen_at = Some(started);
        }
        Ok(())
    }

    async fn publish(&mut self, claimed: &[ClaimedEvent]) -> Result<(), RoundError> {
        faults::place("before_publish").await;
        let events = self.still_claimed(claimed);
        if events.is_empty() {
            return Ok(());
        }
        match self.send(&events).await {
            Ok(answers) => self.settle(&events, answers).await,
            // Over one of them, perhaps, and which one is found by sending them one by one; the rest
            // flows.
            Err(failure) if failure.is_cut() => self.publish_one_by_one(&events).await,
            Err(failure) => self.give_up(&events, failure).await,
        }
    }

    async fn publish_one_by_one(&mut self, events: &[&ClaimedEvent]) -> Result<(), RoundError> {
        for (index, event) in events.iter().enumerate() {
            if !event.claim.holds() {
                continue;
            }
            match self.send_alone(event).await {
                Ok(answers) => {
                    if let Err(error) = self.settle(&[event], answers).await {
                        let rest = &events[index + 1..];
                        self.give_back(rest, &error.to_string()).await?;
                        return Err(error);
                    }
                }
                Err(failure) => return self.give_up(&events[index..], failure).await,
            }
        }
        Ok(())
    }

    /// A broker that hangs up twice over one event, and would take another, has refused it.
    async fn send_alone(&mut self, event: &ClaimedEvent) -> Result<Vec<Answer>, Failure> {
        let mut cut = false;
        loop {
            match self.send(&[event]).await {
                Err(failure)
                    if failure.is_cut() && self.stream.would_take_events().await.is_ok() =>
                {
                    if cut {
                        return Ok(vec![Answer::Refused(failure.to_string())]);
                    }
                    cut = true;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whoever else may have published an event by now, we must not.
    fn still_claimed<'a>(&self, claimed: &'a [ClaimedEvent]) -> Vec<&'a ClaimedEvent> {
        let held: Vec<_> = claimed.iter().filter(|it| it.claim.holds()).collect();
        let ended = claimed.len() - held.len();
        if ended > 0 {
            self.metrics.outbox_claims_ended.inc_by(ended as u64);
            tracing::info!("{ended} events were claimed for too long; they are claimed anew");
        }
        held
    }

    async fn send(&mut self, events: &[&ClaimedEvent]) -> Result<Vec<Answer>, Failure> {
        let events: Vec<_> = events.iter().map(|it| &it.event).collect();
        let answers = self.stream.publish(&events).await?;
        faults::place("after_publish").await;
        assert_eq!(answers.len(), events.len(), "each event has an answer");
        Ok(answers)
    }

    /// Marks what was taken, and finds out who is to blame for what was not.
    async fn settle(
        &mut self,
        events: &[&ClaimedEvent],
        answers: Vec<Answer>,
    ) -> Result<(), RoundError> {
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        let mut of_the_broker = None;
        for (event, answer) in events.iter().copied().zip(answers) {
            match answer {
                Answer::Accepted => accepted.push(event),
                Answer::Refused(text) => refused.push((event, text)),
                Answer::Unavailable(reason, text) => {
                    refused.push((event, text.clone()));
                    of_the_broker = Some((reason, text));
                }
            }
        }
        if !accepted.is_empty() {
            self.report.is_up();
            self.mark_published(&accepted).await?;
        }
        if refused.is_empty() {
            return Ok(());
        }
        if of_the_broker.is_none() && accepted.is_empty() {
            of_the_broker = match self.stream.would_take_events().await {
                Ok(()) => None,
                Err(Answer::Unavailable(reason, text)) => Some((reason, text)),
                Err(Answer::Refused(text)) => Some((Unavailable::Refusing, text)),
                Err(Answer::Accepted) => Some((
                    Unavailable::Refusing,
                    "it takes what it should refuse".to_owned(),
                )),
            };
        }
        if let Some((reason, text)) = of_the_broker {
            self.report.is_down(reason, &text);
            let refused: Vec<_> = refused.iter().map(|(event, _)| *event).collect();
            self.give_back(&refused, &text).await?;
            return Err(RoundError::Broker(text));
        }
        for (event, text) in refused {
            self.blame(event, &text).await?;
        }
        Ok(())
    }

    async fn mark_published(&self, events: &[&ClaimedEvent]) -> Result<(), RoundError> {
        self.metrics.outbox_published.inc_by(events.len() as u64);
        let mark = async || {
            db::within(&self.pool, self.statement_max(), async |connection| {
                db::outbox::mark_published(connection, events).await
            })
            .await
        };
        let marked = match mark().await {
            // They are on the stream. A lost connection is replaced while their claim still holds.
            Err(error) if error.fault() == Fault::Unreachable => mark().await,
            marked => marked,
        };
        let marked = marked?;
        if marked < events.len() as u64 {
            tracing::info!(
                "{} of {} events were claimed by another relay while they were published",
                events.len() as u64 - marked,
                events.len()
            );
        }
        Ok(())
    }

    /// Nothing could be sent.
    async fn give_up(&self, events: &[&ClaimedEvent], failure: Failure) -> Result<(), RoundError> {
        let text = failure.to_string();
        self.report.is_down(failure.reason, &text);
        self.give_back(events, &text).await?;
        Err(RoundError::Broker(text))
    }

    async fn give_back(&self, events: &[&ClaimedEvent], text: &str) -> Result<(), RoundError> {
        db::within(&self.pool, self.statement_max(), async |connection| {
            db::outbox::give_back(connection, events, text).await
        })
        .await?;
        Ok(())
    }

    /// Others passed, this event did not.
    async fn blame(&self, event: &ClaimedEvent, text: &str) -> Result<(), RoundError> {
        self.metrics.outbox_refused.inc();
        let attempts = event.attempts + 1;
        let buries = attempts >= self.limits.attempts_max;
        let wait = backoff(attempts.unsigned_abs(), EVENT_WAIT_MAX);
        let changed = db::within(&self.pool, self.statement_max(), async |connection| {
            if buries {
                db::outbox::bury(connection, event, text).await
            } else {
                db::outbox::postpone(connection, event, wait, text).await
            }
        });
        if changed.await? > 0 && buries {
            let id = event.event.id;
            self.metrics.outbox_buried.inc();
            tracing::error!(event.id = %id, "event {id} is a dead letter: {text}");
        }
        Ok(())
    }

    fn statement_max(&self) -> Duration {
        STATEMENT_MAX * 2_u32.pow(self.failures.min(3))
    }
}

/// 0.5 s, 1 s, 2 s, … up to the longest.
fn backoff(failures: u32, longest: Duration) -> Duration {
    let exponent = failures.saturating_sub(1).min(16);
    (Duration::from_millis(500) * 2_u32.pow(exponent)).min(longest)
}
