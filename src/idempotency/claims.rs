//! Claims and first answers in Redis.
//!
//! A claim says "somebody is at work on this key" for a short lease, which its owner renews; a crash
//! frees the key when the lease ends. A finished request replaces its claim by the answer.
//!
//! When Redis fails or does not answer in time it is left alone for a while, and everything goes on
//! without it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use redis::RedisResult;
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    compression::{compress, decompress},
    domain::idempotency::{Fingerprint, Scope, StoredResponse},
    metrics::Metrics,
    outages::REDIS,
    redis_client::Connection,
    request_id,
};

use super::{
    incarnation::{Incarnation, Name},
    keys::Keys,
    releases::Releases,
    scripts::Scripts,
};

/// What Redis needs for an answer beside its body, in bytes, about.
const OVERHEAD: usize = 512;

/// The only statuses that are kept. Others can write into Redis, too.
const KEPT: [u16; 2] = [200, 201];

/// The script's reply: nil, or fingerprint, status and body.
type Found = Option<(Vec<u8>, Option<u16>, Option<Vec<u8>>)>;

/// What Redis knows about a key.
#[derive(Debug)]
pub enum Begun {
    /// Nothing was known: it is ours now.
    Claimed(Claim),
    /// Redis knows the key, if what it knows is of this database.
    Known(Known, Name),
    /// Redis does not answer: go on without it. The claim may have been made nevertheless, so end
    /// it as if it had been.
    Unknown(Claim),
}

/// What Redis knows about a key that is not free.
#[derive(Debug)]
pub enum Known {
    /// The first request was answered.
    Answered(StoredResponse),
    /// The key belongs to another request.
    Reused,
    /// The same request is being worked on.
    InProgress,
}

/// The right to work on a key, until the lease ends.
#[derive(Clone, Debug)]
pub struct Claim {
    keys: Keys,
    owner: String,
    fingerprint: Fingerprint,
}

impl Claim {
    /// Where it stands in Redis.
    pub(super) fn key(&self) -> &str {
        &self.keys.answer
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }
}

/// How Redis is used.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a command may take.
    pub timeout: Duration,
    /// How long Redis is left alone after a failure.
    pub pause: Duration,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How long an answer is kept at most.
    pub keep_max: Duration,
    /// How many bytes of answers are kept for a store within that time.
    pub store_bytes_max: usize,
}

/// One thread's way to Redis.
pub struct Claims {
    connection: Connection,
    limits: Limits,
    opened_at: Instant,
    /// In ms since `opened_at`; 0 while Redis is well.
    paused_until: AtomicU64,
    scripts: Scripts,
    releases: Releases,
    incarnation: Incarnation,
    metrics: Metrics,
}

impl Claims {
    /// Connects when first used, and again whenever the connection was lost. Must be called on the
    /// runtime that will use it.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn open(
        url: &SecretString,
        limits: Limits,
        incarnation: Incarnation,
        metrics: Metrics,
    ) -> RedisResult<Self> {
        let connection = Connection::lazy(url, limits.timeout)?;
        let scripts = Scripts::new();
        let releases = Releases::start(connection.clone(), scripts.release.clone());
        Ok(Self {
            connection,
            limits,
            opened_at: Instant::now(),
            paused_until: AtomicU64::new(0),
            scripts,
            releases,
            incarnation,
            metrics,
        })
    }

    /// Looks a key up and claims it if nothing is known.
    pub async fn begin(&self, scope: &Scope, fingerprint: Fingerprint) -> Begun {
        let database = self.incarnation.current();
        let claim = Claim {
            keys: Keys::of(scope, &database),
            owner: Uuid::now_v7().to_string(),
            fingerprint,
        };
        let mut invocation = self.scripts.begin.key(claim.key());
        invocation
            .arg(fingerprint.as_bytes().as_slice())
            .arg(&claim.owner)
            .arg(millis(self.limits.lease));
        let mut connection = self.connection.clone();
        let found = self
            .in_time(invocation.invoke_async::<Found>(&mut connection))
            .await;
        let known = match found {
            None => return Begun::Unknown(claim),
            Some(None) => return Begun::Claimed(claim),
            Some(Some((first, ..))) if first != fingerprint.as_bytes() => Known::Reused,
            Some(Some((_, Some(status), Some(body)))) => match decompress(&body) {
                Some(body) if KEPT.contains(&status) => {
                    Known::Answered(StoredResponse { status, body })
                }
                // Not ours to repeat, or to replace.
                _ => return Begun::Unknown(claim),
            },
            Some(Some(_)) => Known::InProgress,
        };
        Begun::Known(known, database)
    }

    /// How often a claim should be renewed.
    pub fn renew_every(&self) -> Duration {
        self.limits.lease / 3
    }

    /// Starts the lease anew.
    pub async fn renew(&self, claim: &Claim) {
        let mut invocation = self.scripts.renew.key(claim.key());
        invocation.arg(&claim.owner).arg(millis(self.limits.lease));
        let mut connection = self.connection.clone();
        self.in_time(invocation.invoke_async::<i64>(&mut connection))
            .await;
    }

    /// Replaces the claim by the final answer. Without Redis the claim is given up: PostgreSQL knows
    /// the answer.
    ///
    /// Redis keeps it for a while only, and only as much as a store may have: no one can fill it.
    pub async fn finish(&self, claim: Claim, response: &StoredResponse, keep_for: Duration) {
        let body = compress(&response.body);
        let mut invocation = self.scripts.finish.key(claim.key());
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
        let finished = self.in_time(invocation.invoke_async::<i64>(&mut connection));
        match finished.await {
            None => self.releases.add(claim, self.limits.lease),
            Some(0) => {
                self.metrics.answers_left_out.inc();
            }
            Some(_) => {}
        }
    }

    /// Frees the key: nothing was done, it may be tried again. Without Redis it is freed as soon as
    /// there is one, which may have taken the claim without our having heard so.
    pub async fn release(&self, claim: Claim) {
        let mut invocation = self.scripts.release.key(claim.key());
        invocation.arg(&claim.owner);
        let mut connection = self.connection.clone();
        let released = self.in_time(invocation.invoke_async::<i64>(&mut connection));
        if released.await.is_none() {
            self.releases.add(claim, self.limits.lease);
        }
    }

    /// The result, or `None` if Redis is paused, failed, or did not answer in time.
    async fn in_time<T>(&self, command: impl Future<Output = RedisResult<T>>) -> Option<T> {
        let now = millis(self.opened_at.elapsed());
        let paused_until = self.paused_until.load(Ordering::Relaxed);
        if now < paused_until {
            return None;
        }
        if paused_until > 0 {
            // After a pause one command finds out whether Redis is back; the others do not wait for that.
            let found_out_by = now + millis(self.limits.timeout);
            self.paused_until.store(found_out_by, Ordering::Relaxed);
        }
        let problem = match command.await {
            Ok(value) => {
                if paused_until > 0 {
                    self.paused_until.store(0, Ordering::Relaxed);
                }
                return Some(value);
            }
            Err(error) if error.is_timeout() => {
                format!("no answer within {:?}", self.limits.timeout)
            }
            Err(error) => error.to_string(),
        };
        self.metrics.redis_failures.inc();
        // That it is away is said once (see `outages`); that it is slow is not known there.
        if !REDIS.is_away() {
            tracing::warn!(
                http.request_id = request_id::current().as_deref(),
                "going on without Redis for {:?}: {problem}",
                self.limits.pause
            );
        }
        REDIS.suspect();
        let until = millis(self.opened_at.elapsed() + self.limits.pause);
        self.paused_until.store(until, Ordering::Relaxed);
        None
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
