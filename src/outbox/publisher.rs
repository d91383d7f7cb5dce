//! Publishes claimed events to the primary sink and settles each by its fate: marks it as published,
//! releases its claim, postpones it, or moves it to the dead letters.
//!
//! Every statement and every publication ends within a time limit of this process.

use std::time::Duration;

use sqlx::PgPool;

use crate::{
    db::{self, Fault, outbox::ClaimedEvent},
    faults,
    metrics::SinkLabel,
};

use super::{
    backoff::{REFUSED_WAIT_MAX, pause_after},
    delivery::{Delivered, Delivery, Fate},
    sink::Unavailable,
};

#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("the sink takes no events: {0}")]
    Sink(String),
    #[error(
        "another instance has made {0} the primary sink, because this instance's is not among its sinks; give \
         all instances the same [[outbox.sinks]] and restart one"
    )]
    NotPrimary(String),
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub pool: PgPool,
    pub statement_max: Duration,
    pub delivery: Delivery,
    /// The number of refusals after which an event becomes a dead letter.
    pub attempts_max: i32,
}

impl Publisher {
    /// Publishes the events whose claims still hold. An error means that some may be unpublished; their
    /// claims are released, or expire.
    pub async fn publish(&mut self, claimed: &[ClaimedEvent]) -> Result<(), PublishError> {
        faults::place("before_publish").await;
        let claimed: Vec<_> = claimed.iter().collect();
        let mut left = &claimed[..];
        while !left.is_empty() {
            let (slice, rest) = left.split_at(left.len().min(self.delivery.at_once()));
            let slice = self.holding(slice);
            let events: Vec<_> = slice.iter().map(|claimed| &claimed.event).collect();
            if !events.is_empty() {
                let may_send = |index: usize| slice[index].claim.holds();
                let delivered = self.delivery.deliver(&events, may_send).await;
                if let Err(error) = self.settle(&slice, delivered).await {
                    self.release(rest, &error.to_string()).await?;
                    return Err(error);
                }
            }
            left = rest;
        }
        Ok(())
    }

    /// Leaves out events whose claims have expired: another relay may have published them by now.
    fn holding<'a>(&self, claimed: &[&'a ClaimedEvent]) -> Vec<&'a ClaimedEvent> {
        let held: Vec<_> = claimed
            .iter()
            .copied()
            .filter(|event| event.claim.holds())
            .collect();
        let expired = claimed.len() - held.len();
        if expired > 0 {
            let metrics = self.delivery.metrics();
            metrics.outbox_claims_ended.inc_by(expired as u64);
            tracing::info!(
                "the claims of {expired} events expired before publication; any relay may claim them"
            );
        }
        held
    }

    async fn settle(
        &mut self,
        events: &[&ClaimedEvent],
        delivered: Delivered,
    ) -> Result<(), PublishError> {
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        let mut left = Vec::new();
        for (event, fate) in events.iter().copied().zip(delivered.fates) {
            match fate {
                Fate::Accepted => accepted.push(event),
                Fate::Refused(text) => refused.push((event, text)),
                Fate::Left => left.push(event),
            }
        }
        if !accepted.is_empty() {
            self.mark_published(&accepted).await?;
        }
        for (event, text) in refused {
            self.count_refusal(event, &text).await?;
        }
        match delivered.down {
            None => Ok(()),
            Some(text) => {
                self.release(&left, &text).await?;
                Err(PublishError::Sink(text))
            }
        }
    }

    async fn mark_published(&self, events: &[&ClaimedEvent]) -> Result<(), PublishError> {
        let sink = self.delivery.sink_name();
        let published = &self.delivery.metrics().outbox_published;
        published
            .get_or_create(&SinkLabel::of(sink))
            .inc_by(events.len() as u64);
        let mark = async || {
            db::within(&self.pool, self.statement_max, async |connection| {
                db::outbox::mark_published(connection, events, sink).await
            })
            .await
        };
        let marked = match mark().await {
            // The sink has the events. A second attempt over a new connection may still be in time.
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

    /// Fails if another sink is the primary one by now.
    pub async fn check_is_primary(&self) -> Result<(), PublishError> {
        let primary = db::within(&self.pool, self.statement_max, async |connection| {
            db::outbox::primary_sink(connection).await
        });
        match primary.await? {
            Some(other) if other != self.delivery.sink_name() => {
                let error = PublishError::NotPrimary(other);
                self.delivery
                    .report_down(Unavailable::NotPrimary, &error.to_string());
                Err(error)
            }
            _ => Ok(()),
        }
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
        let sink = self.delivery.sink_name();
        let metrics = self.delivery.metrics();
        let label = SinkLabel::of(sink);
        metrics.outbox_refused.get_or_create(&label).inc();
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
            metrics.outbox_buried.get_or_create(&label).inc();
            tracing::error!(event.id = %id, sink, "event {id} is a dead letter of the sink {sink}: {text}");
        }
        Ok(())
    }
}
