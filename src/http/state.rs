//! What one HTTP worker thread works with: its own pool and its own way to Redis.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::HttpRequest;
use sqlx::{PgConnection, PgPool};

use crate::{
    carts::batch::CartDesk,
    checkout::batch::CheckoutDesk,
    config::{Protocol, Proxy},
    db::{
        self, Fault,
        pool::{Limits as PoolLimits, Workload},
    },
    domain::terms::Terms,
    idempotency::{
        claims::{Claims, Limits as ClaimLimits},
        incarnation::Incarnation,
    },
    metrics::Metrics,
    request_id,
};

use super::{
    answer_body::BodyBudget,
    error::ApiError,
    rate_limit::{RateLimits, client_address::client_address},
    server::Front,
    token::TokenVerifier,
};

/// How long a first attempt to read may take: a connection whose server has gone in silence answers
/// nothing. It is closed then, and another one is asked.
const FIRST_TRY_MAX: Duration = Duration::from_secs(1);
/// How long the second one may take. Reading takes milliseconds.
const SECOND_TRY_MAX: Duration = Duration::from_millis(1_500);
/// How soon a lost connection shows: its statement fails, nothing is waited for.
const AT_ONCE: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub struct State {
    /// For everything but checkouts.
    pub pool: PgPool,
    /// The fast path of idempotency.
    pub claims: Claims,
    /// Which database its answers are of.
    pub incarnation: Incarnation,
    /// Where checkouts are handed in.
    pub checkouts: CheckoutDesk,
    /// Where carts are handed in to be frozen.
    pub carts: CartDesk,
    /// On which terms carts are bought.
    pub terms: Terms,
    /// Who signed a token, and for whom.
    pub tokens: TokenVerifier,
    /// How many requests are taken from whom; none if that is not limited.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// Where to count.
    pub metrics: Metrics,
    /// How much of requests' bodies may be in memory.
    pub bodies: Arc<BodyBudget>,
    /// Behind which proxies the addresses are that are logged; none if no address is.
    log_addresses_behind: Option<Vec<Proxy>>,
    /// Whether clients reach us over TLS of our own.
    pub is_under_tls: bool,
    /// How long the statements of a request may take in all.
    pub statements_max: Duration,
    /// How long a cart PUT's answer is kept.
    pub keep_cart_answers_for: Duration,
    /// How long a checkout's answer is kept.
    pub keep_checkout_answers_for: Duration,
}

/// Why a worker can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `database.url` is malformed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// `redis.url` is malformed.
    #[error("could not understand redis.url: {0}")]
    Redis(#[from] redis::RedisError),
}

impl State {
    /// Reads, from one snapshot, so that what is read is of one moment.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub async fn read_snapshot<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        self.read_with(async || {
            let mut snapshot = db::transaction::begin_snapshot(&self.pool).await?;
            let found = work(&mut snapshot).await?;
            db::transaction::commit(snapshot).await?;
            Ok(found)
        })
        .await
    }

    /// Reads what one statement can.
    ///
    /// # Errors
    /// A failed statement, or 503 if the database does not answer in time: PostgreSQL's own timeouts
    /// are of no use when it is PostgreSQL that hangs.
    pub async fn read<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        self.read_with(async || {
            let mut connection = db::pool::acquire(&self.pool).await?;
            work(&mut connection).await
        })
        .await
    }

    /// Pooled connections may have lost their server meanwhile. That one of them falls silent is found out
    /// once, after a while; reading again does no harm, and the others are asked before they are used.
    async fn read_with<T>(
        &self,
        work: impl AsyncFn() -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        let first_max = FIRST_TRY_MAX.min(self.statements_max);
        if let Ok(result) = tokio::time::timeout(first_max, self.read_at_once(&work)).await {
            return Ok(result?);
        }
        tracing::info!(
            http.request_id = request_id::current().as_deref(),
            "PostgreSQL was silent; reading again on another connection"
        );
        db::stale_connections::server_was_silent();
        let second_max = SECOND_TRY_MAX.min(self.statements_max);
        if let Ok(result) = tokio::time::timeout(second_max, self.read_at_once(&work)).await {
            return Ok(result?);
        }
        db::stale_connections::server_was_silent();
        Err(ApiError::unavailable().because("PostgreSQL did not answer in time"))
    }

    /// Connections that were cut are found at once, one by one, until a new one is made. A server that is
    /// away takes longer than that, and is not asked again.
    async fn read_at_once<T>(
        &self,
        work: &impl AsyncFn() -> Result<T, db::Error>,
    ) -> Result<T, db::Error> {
        let started = Instant::now();
        let mut left = self.pool.options().get_max_connections();
        loop {
            match work().await {
                Err(error)
                    if matches!(error.fault(), Fault::Unreachable | Fault::Transient)
                        && !error.is_about_a_login()
                        && left > 0
                        && started.elapsed() < AT_ONCE =>
                {
                    tracing::info!(
                        http.request_id = request_id::current().as_deref(),
                        "reading again: {error}"
                    );
                    left -= 1;
                }
                result => return result,
            }
        }
    }

    /// The client's address, if it is to be logged.
    pub fn logged_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let proxies = self.log_addresses_behind.as_deref()?;
        let peer = request.peer_addr()?.ip();
        Some(client_address(peer, request.headers(), proxies))
    }

    /// Opens a worker's connections; they connect when first used. Must be called on the worker's
    /// own thread.
    ///
    /// # Errors
    /// A malformed URL.
    pub fn open(front: &Front) -> Result<Self, Error> {
        let Front {
            config, metrics, ..
        } = front;
        let pool_limits = PoolLimits {
            workload: Workload::Reads,
            connections_max: config.database.pool_per_worker,
            acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
            statement_max: config.transaction_limit(),
            lock_wait_max: config.transaction_limit(),
        };
        let pool = db::pool::lazy(&front.database_url, "splitcart http", pool_limits)?;
        metrics.watch_pool("http", pool.clone());
        let claim_limits = ClaimLimits {
            timeout: Duration::from_millis(config.redis.timeout_ms),
            pause: Duration::from_millis(config.redis.pause_ms),
            lease: Duration::from_millis(config.idempotency.claim_lease_ms),
            keep_max: Duration::from_mins(config.idempotency.redis_minutes),
            store_bytes_max: config.idempotency.redis_store_kb_max * 1024,
        };
        Ok(Self {
            pool,
            claims: Claims::open(
                &front.redis_url,
                claim_limits,
                front.incarnation.clone(),
                metrics.clone(),
            )?,
            incarnation: front.incarnation.clone(),
            checkouts: front.desk.clone(),
            carts: front.carts.clone(),
            terms: front.terms,
            tokens: front.tokens.clone(),
            rate_limits: front.rate_limits.clone(),
            metrics: metrics.clone(),
            bodies: front.bodies.clone(),
            log_addresses_behind: config
                .log
                .addresses
                .then(|| config.http.trusted_proxies.clone()),
            is_under_tls: matches!(config.http.protocol(), Protocol::Tls { .. }),
            statements_max: config.transaction_limit(),
            keep_cart_answers_for: front
                .promises
                .keep_answers_for
                .to_std()
                .expect("a time to keep is no time ago"),
            keep_checkout_answers_for: Duration::from_hours(config.idempotency.checkout_days * 24),
        })
    }
}
