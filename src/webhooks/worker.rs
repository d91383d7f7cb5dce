//! The worker: claims deliveries that are due, posts each, and records what became of it.
//!
//! A claim is a short transaction with a lease, and none is open while a receiver is waited for. Any number of
//! instances can run. One that dies between the post and its record causes a second post with the same
//! `webhook-id`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use crate::{
    db::{
        self,
        webhooks::{Attempt, ClaimedDelivery, Failed, MarkOutcome},
    },
    domain::{
        ids::WebhookDeliveryId,
        webhook::{FAILING_MAX, pause_after},
    },
    faults,
    metrics::{Metrics, OutcomeLabel},
};

use super::{
    client::{Client, POST_MAX, PostError, Signed},
    signature::sign,
};

/// The most posts to one endpoint at a time, of all instances.
pub const PER_ENDPOINT_MAX: i64 = 4;
/// The most posts of this instance at a time: so many endpoints that don't answer, times four, hold up
/// nobody.
const UNDER_WAY_MAX: usize = 256;
/// The most deliveries that one statement claims: their bodies are in memory.
const CLAIM_MAX: usize = 64;
/// The lease of a claim. A post and its record take less.
const LEASE: Duration = Duration::from_secs(30);
/// The interval of looks for deliveries that are due.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a claim that failed.
const PAUSE: Duration = Duration::from_secs(1);
const STATEMENT_MAX: Duration = Duration::from_secs(5);
/// The attempts to record an outcome. After them the lease expires, and the event is posted again.
const RECORDS_MAX: u32 = 3;
/// 410: Standard Webhooks has it say that nothing more is wanted.
const GONE: u16 = 410;

/// Posts what is due.
#[derive(Clone, Debug)]
pub struct Worker {
    pool: PgPool,
    client: Client,
    metrics: Metrics,
}

impl Worker {
    /// `pool` is the worker's alone.
    pub fn new(pool: PgPool, client: Client, metrics: Metrics) -> Self {
        Self {
            pool,
            client,
            metrics,
        }
    }

    /// Posts until `stopping` is true. Posts under way are then finished, within their own limit; their caller
    /// may drop them, and they are made again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let mut posts = JoinSet::new();
        while !*stopping.borrow_and_update() {
            let room = CLAIM_MAX.min(UNDER_WAY_MAX - posts.len());
            let looked_at = Instant::now();
            let claimed = if room == 0 {
                Ok(Vec::new())
            } else {
                worker.claim(room).await
            };
            let pause = match claimed {
                Ok(claimed) => {
                    let is_full = claimed.len() == room && room > 0;
                    for delivery in claimed {
                        posts.spawn_local(Arc::clone(&worker).deliver(delivery, looked_at));
                    }
                    if is_full { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    tracing::warn!("webhooks will be looked for again: {error}");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The place of a post that has ended is free, and what waited behind it may be due.
                Some(_) = posts.join_next() => while posts.try_join_next().is_some() {},
                _ = stopping.changed() => {}
            }
        }
        while posts.join_next().await.is_some() {}
    }

    async fn claim(&self, room: usize) -> Result<Vec<ClaimedDelivery>, db::Error> {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        db::within(&self.pool, STATEMENT_MAX, async |connection| {
            let mut tx = db::transaction::begin_on(connection).await?;
            let claimed = db::webhooks::claim_due(&mut tx, room, PER_ENDPOINT_MAX, LEASE).await?;
            db::transaction::commit(tx).await?;
            Ok(claimed)
        })
        .await
    }

    /// Makes an attempt that was claimed at `claimed_at`.
    async fn deliver(self: Arc<Self>, delivery: ClaimedDelivery, claimed_at: Instant) {
        // A process that was frozen must not post what another instance has posted since.
        if claimed_at.elapsed() + POST_MAX >= LEASE {
            return;
        }
        let started = Instant::now();
        let posted = self.post(&delivery).await;
        faults::place("after_webhook").await;
        let duration = started.elapsed();
        self.metrics
            .webhook_duration
            .observe(duration.as_secs_f64());
        let status = posted.as_ref().ok().copied();
        let attempt = Attempt {
            id: delivery.id,
            claimed_until: delivery.claimed_until,
            status,
            duration,
        };
        let problem = match posted {
            Ok(200..=299) => None,
            Ok(300..=399) => Some("the answer is a redirect, which is not followed".to_owned()),
            Ok(status) => Some(format!("the answer is {status}")),
            Err(error) => Some(error.to_string()),
        };
        let outcome = if problem.is_none() {
            "delivered"
        } else {
            "failed"
        };
        self.metrics
            .webhook_deliveries
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
        self.record(&delivery, &attempt, problem.as_deref()).await;
    }

    async fn post(&self, delivery: &ClaimedDelivery) -> Result<u16, PostError> {
        let id = delivery.event_id.to_string();
        let timestamp = chrono::Utc::now().timestamp();
        let signature = sign(
            &delivery.secrets,
            delivery.event_id,
            timestamp,
            &delivery.body,
        )
        .map_err(|_| PostError::Connect("the endpoint's secret is malformed".to_owned()))?;
        let signed = Signed {
            id: &id,
            timestamp,
            signature: &signature,
        };
        self.client
            .post(&delivery.url, delivery.body.clone(), &signed)
            .await
    }

    async fn record(&self, delivery: &ClaimedDelivery, attempt: &Attempt, problem: Option<&str>) {
        let is_gone = attempt.status == Some(GONE);
        let pause = if is_gone {
            None
        } else {
            pause_after(delivery.attempt, rand::random())
        };
        let next = pause.map(|pause| (WebhookDeliveryId::new(Uuid::now_v7()), pause));
        for number in 1..=RECORDS_MAX {
            let recorded = db::within(&self.pool, STATEMENT_MAX, async |connection| {
                let Some(error) = problem else {
                    return db::webhooks::mark_delivered(connection, attempt).await;
                };
                let failed = Failed {
                    error,
                    next,
                    is_gone,
                    failing_max: FAILING_MAX,
                };
                db::webhooks::mark_failed(connection, attempt, &failed).await
            });
            match recorded.await {
                Ok(MarkOutcome::Recorded | MarkOutcome::Lost) => return,
                Ok(MarkOutcome::Disabled) => {
                    let id = delivery.endpoint_id;
                    self.metrics.webhook_endpoints_disabled.inc();
                    let why = if is_gone {
                        "its receiver answered 410"
                    } else {
                        "it has failed for five days"
                    };
                    let problem = problem.unwrap_or_default();
                    tracing::warn!(
                        webhook.endpoint_id = %id,
                        "the webhook endpoint {id} is disabled, because {why}; the last failure: {problem}"
                    );
                    return;
                }
                Err(error) if number == RECORDS_MAX => {
                    let id = delivery.event_id;
                    tracing::warn!(event.id = %id, "the webhook of event {id} will be sent again: {error}");
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
