//! Claims and first answers in Redis.
//!
//! A claim says "somebody is at work on this key" for a short lease, which its owner renews; a crash
//! frees the key when the lease ends. A finished request replaces its claim by the answer.
//!
//! When Redis fails or does not answer in time it is left alone for a while, and everything goes on
//! without it.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use redis::{RedisResult, Script};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    domain::idempotency::{Fingerprint, Scope, ScopeDigest, StoredResponse},
    metrics::{Metrics, ReplayLabel},
    redis_client::Connection,
};

use super::{fingerprint::of_scope, releases::Releases};

/// KEYS[1] the scope; ARGV: fingerprint, owner, lease in ms. Nil if the claim is ours now, else the
/// fingerprint, status and body of what is there (no status: at work).
const BEGIN: &str = r"
local found = redis.call('hmget', KEYS[1], 'fingerprint', 'status', 'body')
if found[1] then return found end
redis.call('hset', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2])
redis.call('pexpire', KEYS[1], ARGV[3])
return nil
";
/// ARGV: owner, lease in ms. Only the owner may renew.
const RENEW: &str = r"
if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
";
/// ARGV: fingerprint, status, body, time to keep in ms. Whoever holds the key now: of a checkout there
/// is one final answer, PostgreSQL sees to that; of a cart PUT that ran twice the later one is kept.
const FINISH: &str = r"
redis.call('del', KEYS[1])
redis.call('hset', KEYS[1], 'fingerprint', ARGV[1], 'status', ARGV[2], 'body', ARGV[3])
return redis.call('pexpire', KEYS[1], ARGV[4])
";
/// ARGV: owner. Only the owner may give up.
const RELEASE: &str = r"
if redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
";

/// The script's reply: nil, or fingerprint, status and body.
type Found = Option<(Vec<u8>, Option<u16>, Option<Vec<u8>>)>;

/// What Redis knows about a key.
#[derive(Debug)]
pub enum Begun {
    /// Nothing was known: it is ours now.
    Claimed(Claim),
    /// The first request was answered.
    Answered(StoredResponse),
    /// The key belongs to another request.
    Reused,
    /// The same request is being worked on.
    InProgress,
    /// Redis does not answer: go on without it. The claim may have been made nevertheless, so end
    /// it as if it had been.
    Unknown(Claim),
}

/// The right to work on a key, until the lease ends.
#[derive(Clone, Debug)]
pub struct Claim {
    key: String,
    owner: String,
    fingerprint: Fingerprint,
}

impl Claim {
    /// Where it stands in Redis.
    pub(super) fn key(&self) -> &str {
        &self.key
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
}

/// One thread's way to Redis.
pub struct Claims {
    connection: Connection,
    limits: Limits,
    opened_at: Instant,
    /// In ms since `opened_at`.
    paused_until: AtomicU64,
    scripts: Scripts,
    releases: Releases,
    metrics: Metrics,
}

struct Scripts {
    begin: Script,
    renew: Script,
    finish: Script,
    release: Script,
}

impl Claims {
    /// Connects when first used, and again whenever the connection was lost. Must be called on the
    /// runtime that will use it.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn open(url: &SecretString, limits: Limits, metrics: Metrics) -> RedisResult<Self> {
        let connection = Connection::lazy(url, limits.timeout)?;
        let release = Script::new(RELEASE);
        let releases = Releases::start(connection.clone(), release.clone());
        Ok(Self {
            connection,
            limits,
            opened_at: Instant::now(),
            paused_until: AtomicU64::new(0),
            scripts: Scripts {
                begin: Script::new(BEGIN),
                renew: Script::new(RENEW),
                finish: Script::new(FINISH),
                release,
            },
            releases,
            metrics,
        })
    }

    /// Looks a key up and claims it if nothing is known.
    pub async fn begin(&self, scope: &Scope, fingerprint: Fingerprint) -> Begun {
        let claim = Claim {
            key: redis_key(of_scope(scope)),
            owner: Uuid::now_v7().to_string(),
            fingerprint,
        };
        let mut invocation = self.scripts.begin.key(&claim.key);
        invocation
            .arg(fingerprint.as_bytes().as_slice())
            .arg(&claim.owner)
            .arg(millis(self.limits.lease));
        let mut connection = self.connection.clone();
        let found = self
            .in_time(invocation.invoke_async::<Found>(&mut connection))
            .await;
        match found {
            None => Begun::Unknown(claim),
            Some(None) => Begun::Claimed(claim),
            Some(Some((first, ..))) if first != fingerprint.as_bytes() => Begun::Reused,
            Some(Some((_, Some(status), Some(body)))) => {
                self.metrics
                    .replays
                    .get_or_create(&ReplayLabel { source: "redis" })
                    .inc();
                Begun::Answered(StoredResponse { status, body })
            }
            Some(Some(_)) => Begun::InProgress,
        }
    }

    /// How often a claim should be renewed.
    pub fn renew_every(&self) -> Duration {
        self.limits.lease / 3
    }

    /// Starts the lease anew.
    pub async fn renew(&self, claim: &Claim) {
        let mut invocation = self.scripts.renew.key(&claim.key);
        invocation.arg(&claim.owner).arg(millis(self.limits.lease));
        let mut connection = self.connection.clone();
        self.in_time(invocation.invoke_async::<i64>(&mut connection))
            .await;
    }

    /// Replaces the claim by the final answer. Without Redis the claim is given up: PostgreSQL knows
    /// the answer.
    pub async fn finish(&self, claim: Claim, response: &StoredResponse, keep_for: Duration) {
        let mut invocation = self.scripts.finish.key(&claim.key);
        invocation
            .arg(claim.fingerprint.as_bytes().as_slice())
            .arg(response.status)
            .arg(response.body.as_slice())
            .arg(millis(keep_for));
        let mut connection = self.connection.clone();
        let finished = self.in_time(invocation.invoke_async::<i64>(&mut connection));
        if finished.await.is_none() {
            self.releases.add(claim, self.limits.lease);
        }
    }

    /// Frees the key: nothing was done, it may be tried again. Without Redis it is freed as soon as
    /// there is one, which may have taken the claim without our having heard so.
    pub async fn release(&self, claim: Claim) {
        let mut invocation = self.scripts.release.key(&claim.key);
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
        if now < self.paused_until.load(Ordering::Relaxed) {
            return None;
        }
        let problem = match command.await {
            Ok(value) => return Some(value),
            Err(error) if error.is_timeout() => {
                format!("no answer within {:?}", self.limits.timeout)
            }
            Err(error) => error.to_string(),
        };
        self.metrics.redis_failures.inc();
        tracing::warn!(
            "going on without Redis for {:?}: {problem}",
            self.limits.pause
        );
        let until = millis(self.opened_at.elapsed() + self.limits.pause);
        self.paused_until.store(until, Ordering::Relaxed);
        None
    }
}

/// Each key is used alone, so a cluster may put it anywhere.
fn redis_key(digest: ScopeDigest) -> String {
    let mut key = "splitcart:idempotency:".to_owned();
    for byte in digest.as_bytes() {
        write!(key, "{byte:02x}").expect("writing to a string can't fail");
    }
    key
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
