//! The options of the public listener, made from the configuration.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{Config, Protocol, RateLimit},
    db::pool::{Limits as PoolLimits, Workload},
    http::{
        answer_body::BodyBudget,
        connection::{
            place::{Connections, Places, Wanted},
            version::Plain,
        },
        options::Settings,
        rate_limit::RateLimits,
    },
    idempotency::redis_claims::Limits as ClaimLimits,
    metrics::Metrics,
};

use super::options::{promises, terms, webhook_reach};

/// The settings of the listener.
pub fn settings(config: &Config, connections: Connections) -> Settings {
    let http = &config.http;
    let proxies = || http.trusted_proxies.clone();
    Settings {
        threads: config.http_workers(),
        connections_per_thread: connections.per_thread,
        serve_on_s_max: http.serve_on_s_max(),
        head_max: Duration::from_millis(http.head_ms_max),
        idle_max: Duration::from_millis(http.keep_alive_ms),
        answer_max: Duration::from_millis(http.answer_ms_max),
        streams_max: http.streams_max,
        plain: match http.protocol() {
            Protocol::PlainOrH2c => Plain::EitherVersion,
            Protocol::Plain | Protocol::Tls { .. } => Plain::Http1,
        },
        is_under_tls: matches!(http.protocol(), Protocol::Tls { .. }),
        cors_origins: http.cors_origins.clone(),
        docs: http.docs,
        log_addresses_behind: config.log.addresses.then(proxies),
        log_format: config.log.format,
        terms: terms(config),
        pool: PoolLimits {
            workload: Workload::Reads,
            connections_max: config.database.pool_per_worker,
            acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
            statement_max: config.transaction_limit(),
            lock_wait_max: config.transaction_limit(),
        },
        claims: ClaimLimits {
            timeout: Duration::from_millis(config.redis.timeout_ms),
            pause: Duration::from_millis(config.redis.pause_ms),
            lease: Duration::from_millis(config.idempotency.claim_lease_ms),
            keep_max: Duration::from_mins(config.idempotency.redis_minutes),
            store_bytes_max: config.idempotency.redis_store_kb_max * 1024,
        },
        statements_max: config.transaction_limit(),
        heartbeat_every: heartbeat_every(config),
        keep_cart_answers_for: promises(config)
            .keep_answers_for
            .to_std()
            .expect("a time to keep is positive"),
        keep_count_answers_for: Duration::from_hours(config.idempotency.cart_hours),
        webhook_reach: webhook_reach(config),
        keep_checkout_answers_for: Duration::from_hours(config.idempotency.checkout_days * 24),
    }
}

/// A connection must not be taken for an idle one, or for one whose reader takes nothing.
fn heartbeat_every(config: &Config) -> Duration {
    let http = &config.http;
    let limit_ms = http.keep_alive_ms.min(http.answer_ms_max / 2);
    Duration::from_secs(config.live.heartbeat_s).min(Duration::from_millis(limit_ms))
}

/// The number of client connections: by the settings, or by the open files that the system allows.
pub fn connections(config: &Config) -> Connections {
    let connections = Connections::of(wanted(config));
    if let Some(warning) = too_few(config, connections) {
        tracing::warn!("{warning}");
    }
    connections
}

/// The connections that the settings ask for.
pub(crate) fn wanted(config: &Config) -> Wanted {
    Wanted {
        threads: config.http_workers(),
        per_thread: config.http.connections_per_worker,
        database_connections: config.connections_max(),
    }
}

/// The warning about a limit of open files that leaves few connections for clients.
pub(crate) fn too_few(config: &Config, connections: Connections) -> Option<String> {
    connections.are_few().then(|| {
        format!(
            "the system lets this process open {} files, so it serves {} connections per worker, not \
             http.connections_per_worker = {}; raise the limit (ulimit -n, LimitNOFILE) for more",
            connections.files_max, connections.per_thread, config.http.connections_per_worker,
        )
    })
}

/// `None` where rate limits are off.
pub fn rate_limits(config: &Config, metrics: &Metrics) -> Option<Arc<RateLimits>> {
    let proxies = config.http.trusted_proxies.clone();
    (config.rate_limit == RateLimit::On)
        .then(|| RateLimits::new(&config.limits, proxies, metrics.clone()))
}

/// The connections of each address.
pub fn places(config: &Config, metrics: &Metrics) -> Arc<Places> {
    let is_limited = config.rate_limit == RateLimit::On;
    let most = is_limited.then_some(config.limits.address_connections.get());
    Places::new(most, config.http.trusted_proxies.clone(), metrics.clone())
}

/// The memory for requests' bodies.
pub fn bodies(config: &Config, metrics: &Metrics) -> Arc<BodyBudget> {
    const MB: usize = 1024 * 1024;
    let shown = metrics.bodies_bytes.clone();
    BodyBudget::new(config.http.bodies_mb_max * MB, shown)
}
