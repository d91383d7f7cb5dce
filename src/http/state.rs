//! The state of one HTTP server thread: its own pool, its own connection to Redis, and handles to the rest.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_web::HttpRequest;
use sqlx::PgPool;

use crate::{
    carts::batch::CartDesk,
    checkout::batch::CheckoutDesk,
    config::{LogFormat, Proxy},
    db,
    domain::terms::Terms,
    idempotency::{incarnation::Incarnation, redis_claims::Claims},
    inventory::desk::CountDesk,
    live_orders::hub::LiveOrders,
    metrics::Metrics,
    orders::batch::OrderDesk,
    traces::Traces,
    webhooks::address::Reach,
};

use super::{
    answer_body::BodyBudget,
    options::Options,
    rate_limit::{RateLimits, client_address::client_address},
    token::TokenVerifier,
};

/// The state that handlers work with.
#[derive(Debug)]
pub struct State {
    /// For everything but the transactions of checkouts and carts.
    pub pool: PgPool,
    /// The fast path of idempotency.
    pub claims: Claims,
    /// The database that the answers in Redis belong to.
    pub incarnation: Incarnation,
    pub checkouts: CheckoutDesk,
    pub carts: CartDesk,
    pub orders: OrderDesk,
    pub counts: CountDesk,
    pub live_orders: LiveOrders,
    pub terms: Terms,
    pub tokens: TokenVerifier,
    /// `None` where rate limits are off.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// `None` where traces are off.
    pub traces: Option<Traces>,
    pub metrics: Metrics,
    pub bodies: Arc<BodyBudget>,
    log_addresses_behind: Option<Vec<Proxy>>,
    pub log_format: LogFormat,
    pub is_under_tls: bool,
    pub statements_max: Duration,
    /// The time after which a live stream without events shows that it is there.
    pub heartbeat_every: Duration,
    pub keep_cart_answers_for: Duration,
    pub keep_count_answers_for: Duration,
    pub webhook_reach: Reach,
    pub keep_checkout_answers_for: Duration,
}

/// A URL is malformed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl State {
    /// Opens the connections of a thread; they connect when first used. Must be called on the thread
    /// itself.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let (settings, metrics) = (&options.settings, &options.metrics);
        let pool = db::pool::lazy(&options.database_url, "splitcart http", settings.pool)?;
        metrics.watch_pool("http", pool.clone());
        Ok(Self {
            pool,
            claims: Claims::open(
                &options.redis,
                settings.claims,
                options.incarnation.clone(),
                metrics.clone(),
            ),
            incarnation: options.incarnation.clone(),
            checkouts: options.checkouts.clone(),
            carts: options.carts.clone(),
            orders: options.orders.clone(),
            counts: options.counts.clone(),
            live_orders: options.live_orders.clone(),
            heartbeat_every: settings.heartbeat_every,
            terms: settings.terms,
            tokens: options.tokens.clone(),
            rate_limits: options.rate_limits.clone(),
            traces: options.traces.clone(),
            metrics: metrics.clone(),
            bodies: Arc::clone(&options.bodies),
            log_addresses_behind: settings.log_addresses_behind.clone(),
            log_format: settings.log_format,
            is_under_tls: settings.is_under_tls,
            statements_max: settings.statements_max,
            keep_cart_answers_for: settings.keep_cart_answers_for,
            keep_count_answers_for: settings.keep_count_answers_for,
            webhook_reach: settings.webhook_reach,
            keep_checkout_answers_for: settings.keep_checkout_answers_for,
        })
    }

    /// The client's address, if addresses are logged.
    pub fn logged_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let proxies = self.log_addresses_behind.as_deref()?;
        let peer = request.peer_addr()?.ip();
        Some(client_address(peer, request.headers(), proxies))
    }
}
