//! Publishes claimed events and settles each by the broker's answer: marks it as published, releases its
//! claim, postpones it, or moves it to the dead letters.
//!
//! An event is blamed only if the broker refuses it while it takes others: an error that every event would
//! get is about the broker, and counts against none. Every statement and every publication ends within
//! a time limit of this process.

use std::time::Duration;

use sqlx::PgPool;

use crate::{
    db::{self, Fault, outbox::ClaimedEvent},
    faults,
    metrics::Metrics,
};

use super::{
    backoff::pause_after,
    broker_errors::Unavailable,
    redis_stream::{Answer, Failure, RedisStream},
    sink_state::SinkReport,
};

/// The longest wait of an event that the broker has refused.
const REFUSED_WAIT_MAX: Duration = Duration::from_mins(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("the broker takes no events: {0}")]
    Broker(String),
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub pool: PgPool,
    pub statement_max: Duration,
    pub stream: RedisStream,
    /// The number of refusals after which an event becomes a dead letter.
    pub attempts_max: i32,
    pub report: SinkReport,
    pub metrics: Metrics,
}

impl Publisher {
    /// Publishes the events whose claims still hold. An error means that some may be unpublished; their
    /// claims are released, or expire.
    pub async fn publish(&mut self, claimed: &[ClaimedEvent]) -> Result<(), PublishError> {
        faults::place("before_publish").await;
        let events = self.still_claimed(claimed);
        if events.is_empty() {
            return Ok(());
        }
        match self.send(&events).await {
            Ok(answers) => self.settle(&events, answers).await,
            // One event may be the reason. Sent one by one, the others pass.
            Err(failure) if failure.is_hang_up() => self.publish_one_by_one(&events).await,
            Err(failure) => self.give_up(&events, failure).await,
        }
    }

    async fn publish_one_by_one(&mut self, events: &[&ClaimedEvent]) -> Result<(), PublishError> {
        for (index, event) in events.iter().enumerate() {
            if !event.claim.holds() {
                continue;
            }
            match self.send_alone(event).await {
                Ok(answers) => {
                    if let Err(error) = self.settle(&[event], answers).await {
                        let rest = &events[index + 1..];
                        self.release(rest, &error.to_string()).await?;
                        return Err(error);
                    }
                }
                Err(failure) => return self.give_up(&events[index..], failure).await,
            }
        }
        Ok(())
    }

    /// Sends one event, twice if the broker hangs up. A broker that hangs up both times, and would take
    /// another event, has refused this one.
    async fn send_alone(&mut self, event: &ClaimedEvent) -> Result<Vec<Answer>, Failure> {
        let mut is_second = false;
        loop {
            match self.send(&[event]).await {
                Err(failure)
                    if failure.is_hang_up() && self.stream.would_take_events().await.is_ok() =>
                {
                    if is_second {
                        return Ok(vec![Answer::Refused(failure.to_string())]);
                    }
                    is_second = true;
                }
                outcome => return outcome,
            }
        }
    }

    /// Leaves out events whose claims have expired: another relay may have published them by now.
    fn still_claimed<'a>(&self, claimed: &'a [ClaimedEvent]) -> Vec<&'a ClaimedEvent> {
        let held: Vec<_> = claimed.iter().filter(|event| event.claim.holds()).collect();
        let expired = claimed.len() - held.len();
        if expired > 0 {
            self.metrics.outbox_claims_ended.inc_by(expired as u64);
            tracing::info!(
                "the claims of {expired} events expired before publication; any relay may claim them"
            );
        }
        held
    }

    async fn send(&mut self, events: &[&ClaimedEvent]) -> Result<Vec<Answer>, Failure> {
        let events: Vec<_> = events.iter().map(|claimed| &claimed.event).collect();
        let answers = self.stream.publish(&events).await?;
        faults::place("after_publish").await;
        assert_eq!(answers.len(), events.len(), "each event has an answer");
        Ok(answers)
    }

    /// Marks accepted events, and finds out whether the events or the broker are to blame for the others.
    async fn settle(
        &mut self,
        events: &[&ClaimedEvent],
        answers: Vec<Answer>,
    ) -> Result<(), PublishError> {
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        let mut unavailable = None;
        for (event, answer) in events.iter().copied().zip(answers) {
            match answer {
                Answer::Accepted => accepted.push(event),
                Answer::Refused(text) => refused.push((event, text)),
                Answer::Unavailable(reason, text) => {
                    refused.push((event, text.clone()));
                    unavailable = Some((reason, text));
                }
            }
        }
        if !accepted.is_empty() {
            self.report.report_up();
            self.mark_published(&accepted).await?;
        }
        if refused.is_empty() {
            return Ok(());
        }
        // If none passed, a probe shows whether another event would.
        if unavailable.is_none() && accepted.is_empty() {
            unavailable = self.probe().await;
        }
        if let Some((reason, text)) = unavailable {
            self.report.report_down(reason, &text);
            let refused: Vec<_> = refused.iter().map(|(event, _)| *event).collect();
            self.release(&refused, &text).await?;
            return Err(PublishError::Broker(text));
        }
        for (event, text) in refused {
            self.count_refusal(event, &text).await?;
        }
        Ok(())
    }

    /// The reason for which the broker would take no event at all, if there is one.
    async fn probe(&mut self) -> Option<(Unavailable, String)> {
        match self.stream.would_take_events().await {
            Ok(()) => None,
            Err(Answer::Unavailable(reason, text)) => Some((reason, text)),
            Err(Answer::Refused(text)) => Some((Unavailable::Refusing, text)),
            Err(Answer::Accepted) => Some((
                Unavailable::Refusing,
                "it accepted an entry whose id is invalid".to_owned(),
            )),
        }
    }

    async fn mark_published(&self, events: &[&ClaimedEvent]) -> Result<(), PublishError> {
        self.metrics.outbox_published.inc_by(events.len() as u64);
        let mark = async || {
            db::within(&self.pool, self.statement_max, async |connection| {
                db::outbox::mark_published(connection, events).await
            })
            .await
        };
        let marked = match mark().await {
            // The events are on the stream. A second attempt over a new connection may still be in time.
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

    /// Releases events that could not be sent.
    async fn give_up(
        &self,
        events: &[&ClaimedEvent],
        failure: Failure,
    ) -> Result<(), PublishError> {
        let text = failure.to_string();
        self.report.report_down(failure.reason, &text);
        self.release(events, &text).await?;
        Err(PublishError::Broker(text))
    }

    async fn release(&self, events: &[&ClaimedEvent], text: &str) -> Result<(), PublishError> {
        db::within(&self.pool, self.statement_max, async |connection| {
            db::outbox::release(connection, events, text).await
        })
        .await?;
        Ok(())
    }

    /// Counts a refusal against an event that did not pass while others did, or would have.
    async fn count_refusal(&self, event: &ClaimedEvent, text: &str) -> Result<(), PublishError> {
        self.metrics.outbox_refused.inc();
        let attempts = event.attempts + 1;
        let is_last = attempts >= self.attempts_max;
        let wait = pause_after(attempts.unsigned_abs(), REFUSED_WAIT_MAX);
        let changed = db::within(&self.pool, self.statement_max, async |connection| {
            if is_last {
                db::outbox::move_to_dead_letters(connection, event, text).await
            } else {
                db::outbox::postpone(connection, event, wait, text).await
            }
        });
        if changed.await? > 0 && is_last {
            let id = event.event.id;
            self.metrics.outbox_buried.inc();
            tracing::error!(event.id = %id, "event {id} is a dead letter: {text}");
        }
        Ok(())
    }
}
