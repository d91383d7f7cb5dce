//! Claims keys and caches first answers in Redis.
//!
//! A claim says "a request is at work under this key" for a short lease, which its owner renews; after a
//! crash the lease expires and the key is free. A finished request replaces its claim by the answer.
//! Every command goes through `redis_pause`, so a Redis that fails or is slow costs a timeout now and
//! then, and no answer.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    compression::{compress, decompress},
    domain::idempotency::{Fingerprint, Scope, StoredResponse},
    metrics::Metrics,
    redis_client::{Connection, Target},
};

use super::{
    claim::Claim,
    deferred_releases::DeferredReleases,
    incarnation::{Incarnation, Name},
    redis_keys::Keys,
    redis_pause::{RedisPause, millis},
    scripts::Scripts,
};

/// The bytes that an answer takes in Redis beside its body, about.
const OVERHEAD: usize = 512;

/// The only statuses that are kept, whatever others may have written into Redis.
const KEPT: [u16; 2] = [200, 201];

/// The script's reply: nil, or fingerprint, status and body.
type Found = Option<(Vec<u8>, Option<u16>, Option<Vec<u8>>)>;

/// The outcome of claiming a key.
#[derive(Debug)]
pub enum Begun {
    /// The key was free and is claimed now.
    Claimed(Claim),
    /// Redis knows the key, of the named database. The caller checks that this is still the present one.
    Known(Known, Name),
    /// Redis did not answer: the request goes on without it. The claim may have been made nevertheless, so
    /// it must be ended like any other.
    Unknown(Claim),
}

/// The state of a key that is not free.
#[derive(Debug)]
pub enum Known {
    /// The first request was answered.
    Answered(StoredResponse),
    /// The key was used for another request.
    Reused,
    /// A request with the same fingerprint is at work.
    InProgress,
}

/// The limits of the use of Redis.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time limit of a command.
    pub timeout: Duration,
    /// The pause after a failure, in which Redis is not asked.
    pub pause: Duration,
    /// The lease of a claim that is not renewed.
    pub lease: Duration,
    /// The longest time that an answer is kept.
    pub keep_max: Duration,
    /// The most bytes of answers that are kept for a store within that time.
    pub store_bytes_max: usize,
}

/// A thread's access to claims and answers.
pub struct Claims {
    connection: Connection,
    limits: Limits,
    redis: RedisPause,
    scripts: Scripts,
    deferred_releases: DeferredReleases,
    incarnation: Incarnation,
    metrics: Metrics,
}

impl Claims {
    /// Connects on first use, and again after a connection was lost. Must be called on the runtime that
    /// will use it.
    pub fn open(
        redis: &Target,
        limits: Limits,
        incarnation: Incarnation,
        metrics: Metrics,
    ) -> Self {
        let connection = Connection::lazy(redis, limits.timeout);
        let scripts = Scripts::new();
        let deferred_releases =
            DeferredReleases::start(connection.clone(), scripts.release.clone());
        Self {
            connection,
            limits,
            redis: RedisPause::new(limits.timeout, limits.pause, metrics.clone()),
            scripts,
            deferred_releases,
            incarnation,
            metrics,
        }
    }

    /// Looks a key up, and claims it if it is free.
    pub async fn begin(&self, scope: &Scope, fingerprint: Fingerprint) -> Begun {
        let database = self.incarnation.current();
        let claim = Claim {
            keys: Keys::of(scope, &database),
            owner: Uuid::now_v7().to_string(),
            fingerprint,
        };
        let mut invocation = self.scripts.begin.key(&claim.keys.answer);
        invocation
            .arg(fingerprint.as_bytes().as_slice())
            .arg(&claim.owner)
            .arg(millis(self.limits.lease));
        let mut connection = self.connection.clone();
        let found = self
            .redis
            .run(invocation.invoke_async::<Found>(&mut connection))
            .await;
        let known = match found {
            None => return Begun::Unknown(claim),
            Some(None) => return Begun::Claimed(claim),
            Some(Some((first, ..))) if first != fingerprint.as_bytes() => Known::Reused,
            Some(Some((_, Some(status), Some(body)))) => match decompress(&body) {
                Some(body) if KEPT.contains(&status) => {
                    Known::Answered(StoredResponse { status, body })
                }
                // Written by something else: neither repeated nor replaced.
                _ => return Begun::Unknown(claim),
            },
            Some(Some(_)) => Known::InProgress,
        };
        Begun::Known(known, database)
    }

    /// The time after which the lease of a claim expires unless it is renewed.
    pub(super) fn lease(&self) -> Duration {
        self.limits.lease
    }

    /// Renews the lease of a claim once.
    pub(super) async fn renew(&self, claim: &Claim) {
        let mut invocation = self.scripts.renew.key(&claim.keys.answer);
        invocation.arg(&claim.owner).arg(millis(self.limits.lease));
        let mut connection = self.connection.clone();
        self.redis
            .run(invocation.invoke_async::<i64>(&mut connection))
            .await;
    }

    /// Replaces a claim by the final answer, kept for `keep_max` at most and within the store's share of
    /// bytes, so that no store can fill Redis. If Redis fails the claim is released instead: PostgreSQL has
    /// the answer.
    pub async fn finish(&self, claim: Claim, response: &StoredResponse, keep_for: Duration) {
        let body = compress(&response.body);
        let mut invocation = self.scripts.finish.key(&claim.keys.answer);
        invocation
            .key(&claim.keys.counter)
            .arg(claim.fingerprint.as_bytes().as_slice())
            .arg(response.status)
            .arg(body.as_slice())
            .arg(millis(keep_for.min(self.limits.keep_max)))
            .arg(body.len() + OVERHEAD)
            .arg(self.limits.store_bytes_max)
            .arg(millis(self.limits.keep_max));
        let mut connection = self.connection.clone();
        let finished = self
            .redis
            .run(invocation.invoke_async::<i64>(&mut connection));
        match finished.await {
            None => self.deferred_releases.add(claim, self.limits.lease),
            Some(0) => {
                self.metrics.answers_left_out.inc();
            }
            Some(_) => {}
        }
    }

    /// Releases a claim under which nothing was done. If Redis does not answer it is released later: Redis
    /// may have recorded the claim although its answer never arrived.
    pub async fn release(&self, claim: Claim) {
        let mut invocation = self.scripts.release.key(&claim.keys.answer);
        invocation.arg(&claim.owner);
        let mut connection = self.connection.clone();
        let released = self
            .redis
            .run(invocation.invoke_async::<i64>(&mut connection));
        if released.await.is_none() {
            self.deferred_releases.add(claim, self.limits.lease);
        }
    }
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
