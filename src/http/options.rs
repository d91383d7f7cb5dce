//! The options of the public listener and of the state of its threads. `app` makes them: nothing here
//! reads the configuration.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;

use crate::{
    carts::batch::CartDesk,
    checkout::batch::CheckoutDesk,
    config::{LogFormat, Origin, Proxy},
    db::pool::Limits as PoolLimits,
    domain::terms::Terms,
    idempotency::{incarnation::Incarnation, redis_claims::Limits as ClaimLimits},
    inventory::desk::CountDesk,
    live_orders::hub::LiveOrders,
    metrics::Metrics,
    orders::batch::OrderDesk,
    redis_client::Target,
    traces::Traces,
    webhooks::address::Reach,
};

use super::{
    answer_body::BodyBudget,
    connection::{place::Places, version::Plain},
    rate_limit::RateLimits,
    token::TokenVerifier,
};

/// Everything that the listener needs; shared by its threads.
#[derive(Clone, Debug)]
pub struct Options {
    pub settings: Settings,
    pub database_url: SecretString,
    pub redis: Target,
    pub checkouts: CheckoutDesk,
    pub carts: CartDesk,
    pub orders: OrderDesk,
    pub counts: CountDesk,
    pub live_orders: LiveOrders,
    /// The database that the answers in Redis belong to.
    pub incarnation: Incarnation,
    pub tokens: TokenVerifier,
    /// `None` where rate limits are off.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// The connections of all threads.
    pub places: Arc<Places>,
    /// The bodies of all threads.
    pub bodies: Arc<BodyBudget>,
    /// `None` where traces are off.
    pub traces: Option<Traces>,
    pub metrics: Metrics,
}

/// The settings among them.
#[derive(Clone, Debug)]
pub struct Settings {
    pub threads: usize,
    pub connections_per_thread: usize,
    /// The time that requests in progress have when the service stops, in seconds.
    pub serve_on_s_max: u64,
    /// The time that a request's head may take.
    pub head_max: Duration,
    /// The time that a connection may be idle.
    pub idle_max: Duration,
    /// The time that a client may take nothing of an answer.
    pub answer_max: Duration,
    /// The requests that a connection of HTTP/2 may have in progress.
    pub streams_max: usize,
    /// The versions of HTTP without TLS.
    pub plain: Plain,
    pub is_under_tls: bool,
    pub cors_origins: Vec<Origin>,
    /// True if the OpenAPI document is served.
    pub docs: bool,
    /// The proxies in front of the client addresses that are logged; `None` if no address is logged.
    pub log_addresses_behind: Option<Vec<Proxy>>,
    pub log_format: LogFormat,
    pub terms: Terms,
    /// The pool of each thread.
    pub pool: PoolLimits,
    pub claims: ClaimLimits,
    /// The time that the statements of a request may take in all.
    pub statements_max: Duration,
    /// The time after which a live stream without events shows that it is there.
    pub heartbeat_every: Duration,
    /// The time for which the answer to a cart's PUT is kept.
    pub keep_cart_answers_for: Duration,
    /// The time for which the answer to a stock count is kept.
    pub keep_count_answers_for: Duration,
    /// The addresses that webhooks may go to.
    pub webhook_reach: Reach,
    /// The time for which a checkout's answer is kept.
    pub keep_checkout_answers_for: Duration,
}
