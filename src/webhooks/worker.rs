//! The worker: claims deliveries that are due, posts each, and records what became of it.
//!
//! A claim is a short transaction with a lease, and none is open while a receiver is waited for. Any number of
//! instances can run. One that dies between the post and its record causes a second post with the same
//! `webhook-id`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use uuid::Uuid;

use crate::{
    db::{
        self,
        webhooks::{Attempt, ClaimedDelivery, Failed, Look, MarkOutcome, Places},
    },
    domain::{
        ids::{StoreId, WebhookDeliveryId, WebhookEndpointId},
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
/// The most posts of this instance to endpoints of one store at a time. A store that deletes endpoints and
/// creates others takes no more places by that.
const PER_STORE_MAX: i64 = 64;
/// The most deliveries that one statement claims: their bodies are in memory.
const CLAIM_MAX: usize = 64;
/// The lease of a claim. A post and its record take less.
const LEASE: Duration = Duration::from_secs(30);
/// The interval of looks for deliveries that are due.
const POLL: Duration = Duration::from_millis(250);
/// The shortest time from one look to the next.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// The interval of looks at all endpoints: those in between take only endpoints into account that have become
/// due lately.
const WHOLE_EVERY: Duration = Duration::from_secs(5);
/// The pause after a claim that failed.
const PAUSE: Duration = Duration::from_secs(1);
const STATEMENT_MAX: Duration = Duration::from_secs(5);
/// The attempts to record an outcome. After them the lease expires, and the event is posted again.
const RECORDS_MAX: u32 = 3;
/// The longest error that is kept, in characters.
const ERROR_LEN_MAX: usize = 500;
/// 410: Standard Webhooks has it say that nothing more is wanted.
const GONE: u16 = 410;

/// What this instance remembers from one look to the next.
#[derive(Debug, Default)]
struct Rounds {
    whole_at: Option<Instant>,
    /// Endpoints of posts that began or ended since the last whole look: more may wait for them, however long
    /// ago that became due.
    endpoints: HashSet<WebhookEndpointId>,
    /// The number of posts under way.
    of_stores: HashMap<StoreId, i64>,
}

impl Rounds {
    fn places(&self) -> Places {
        Places {
            of_stores: self
                .of_stores
                .iter()
                .map(|(store, number)| (*store, *number))
                .collect(),
            per_store_max: PER_STORE_MAX,
            per_endpoint_max: PER_ENDPOINT_MAX,
        }
    }

    fn begin(&mut self, delivery: &ClaimedDelivery) {
        self.endpoints.insert(delivery.endpoint_id);
        *self.of_stores.entry(delivery.store_id).or_default() += 1;
    }

    fn end(&mut self, ended: &Result<(StoreId, WebhookEndpointId), JoinError>) {
        // A post that panicked keeps its store's place: which one it was is not known.
        let Ok((store, endpoint)) = *ended else {
            return;
        };
        self.endpoints.insert(endpoint);
        if let Some(number) = self.of_stores.get_mut(&store) {
            *number -= 1;
            if *number == 0 {
                self.of_stores.remove(&store);
            }
        }
    }
}

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
        let mut rounds = Rounds::default();
        while !*stopping.borrow_and_update() {
            let room = CLAIM_MAX.min(UNDER_WAY_MAX - posts.len());
            let looked_at = Instant::now();
            let claimed = if room == 0 {
                Ok(Vec::new())
            } else {
                worker.claim(room, &mut rounds).await
            };
            let pause = match claimed {
                Ok(claimed) => {
                    let is_full = claimed.len() == room && room > 0;
                    for delivery in claimed {
                        rounds.begin(&delivery);
                        let to = (delivery.store_id, delivery.endpoint_id);
                        let worker = Arc::clone(&worker);
                        posts.spawn_local(async move {
                            worker.deliver(delivery, looked_at).await;
                            to
                        });
                    }
                    if is_full { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    tracing::warn!("webhooks will be looked for again: {error}");
                    PAUSE
                }
            };
            let wait = async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    // The place of a post that has ended is free, and what waited behind it may be due.
                    Some(ended) = posts.join_next() => rounds.end(&ended),
                }
                // However many posts end meanwhile: the next look is for all of them.
                tokio::time::sleep(LOOK_PAUSE.saturating_sub(looked_at.elapsed())).await;
            };
            tokio::select! {
                () = wait => {}
                _ = stopping.changed() => {}
            }
            while let Some(ended) = posts.try_join_next() {
                rounds.end(&ended);
            }
        }
        while posts.join_next().await.is_some() {}
    }

    async fn claim(
        &self,
        room: usize,
        rounds: &mut Rounds,
    ) -> Result<Vec<ClaimedDelivery>, db::Error> {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let places = rounds.places();
        let is_whole = rounds.whole_at.is_none_or(|at| at.elapsed() >= WHOLE_EVERY);
        let look = if is_whole {
            Look::Whole
        } else {
            Look::Recent(rounds.endpoints.iter().copied().collect())
        };
        let claimed = db::within(&self.pool, STATEMENT_MAX, async |connection| {
            if is_whole {
                let mut tx = db::transaction::begin_on(connection).await?;
                db::webhooks::move_due_times_on(&mut tx).await?;
                db::transaction::commit(tx).await?;
            }
            // Mostly there is nothing, and this is all.
            let due = db::webhooks::find_due(connection, room, &look, &places).await?;
            if due.is_empty() {
                return Ok(Vec::new());
            }
            let mut tx = db::transaction::begin_on(connection).await?;
            let claimed = db::webhooks::claim_due(&mut tx, &due, room, &places, LEASE).await?;
            db::transaction::commit(tx).await?;
            Ok(claimed)
        });
        let claimed = claimed.await?;
        if is_whole {
            rounds.whole_at = Some(Instant::now());
            rounds.endpoints.clear();
        }
        Ok(claimed)
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
            Err(error) => Some(cut(&error.to_string())),
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

/// An error as it is kept: what the other side has sent may be part of it.
fn cut(text: &str) -> String {
    text.chars().take(ERROR_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_between_characters() {
        assert_eq!(cut("no answer"), "no answer");
        assert_eq!(cut(&"\u{e4}".repeat(501)), "\u{e4}".repeat(500));
    }
}
