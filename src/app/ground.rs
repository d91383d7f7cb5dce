//! What everything else stands on, opened first: keys, certificates, a PostgreSQL that is fit to start with,
//! the pools of the background, and the addresses. If one of them fails, nothing is running yet.

use std::net::TcpListener;

use rustls::{ServerConfig, sign::CertifiedKey};
use secrecy::SecretString;
use sqlx::PgPool;

use crate::{
    config::{BACKGROUND_CONNECTIONS, Config, RateLimit, TokenKeys},
    http::{token::key_set::KeySet, watched_file::WatchedFiles},
    metrics::Metrics,
};

use super::{
    background::background_pool,
    database,
    error::Error,
    listeners::{bind, certificate, tls_config},
    redis::Targets,
    telemetry::{self, Tracing},
};

/// The name of the pool of what publishes events.
const RELAY: &str = "relay";
/// The name of the pool for gauges and sweepers, and the number of its connections: a gauge is measured while
/// a sweep takes its time.
const BACKGROUND: (&str, u32) = ("background", BACKGROUND_CONNECTIONS);
/// What is opened before any part starts.
pub(super) struct Ground {
    pub keys: WatchedFiles<KeySet>,
    pub redis: Targets,
    pub metrics: Metrics,
    pub tracing: Option<Tracing>,
    pub certificate: Option<WatchedFiles<CertifiedKey>>,
    pub tls: Option<ServerConfig>,
    pub relay_pool: PgPool,
    pub background_pool: PgPool,
    pub http: TcpListener,
    pub ops: TcpListener,
}

impl Ground {
    /// Opens everything, and waits until PostgreSQL is fit to start with.
    pub(super) async fn lay(
        config: &Config,
        database_url: &SecretString,
        redis_url: &SecretString,
    ) -> Result<Self, Error> {
        let keys = KeySet::open(&config.auth)?;
        let redis = Targets::of(config, redis_url)?;
        let metrics = Metrics::new();
        let tracing = telemetry::start(config, &metrics)?;
        let certificate = certificate(config, &metrics)?;
        let tls = tls_config(certificate.as_ref())?;
        database::prepare(config, database_url).await?;
        tracing::info!("{}", described(config));
        let relay = (RELAY, config.sink_connections());
        let relay_pool = background_pool(config, database_url, &metrics, relay)?;
        let background_pool = background_pool(config, database_url, &metrics, BACKGROUND)?;
        Ok(Self {
            keys,
            redis,
            metrics,
            tracing,
            certificate,
            tls,
            relay_pool,
            background_pool,
            http: bind(config.http.addr, "SPLITCART_HTTP_ADDR")?,
            ops: bind(config.ops.addr, "SPLITCART_OPS_ADDR")?,
        })
    }
}

/// A summary of the settings that an operator who finds a service running asks for first.
fn described(config: &Config) -> String {
    let keys = match config.auth.token_keys() {
        TokenKeys::Secret(_) => "a secret (HS256)".to_owned(),
        TokenKeys::PublicKeyFile(file) => format!("the public key in {}", file.display()),
        TokenKeys::JwksFile(file) => format!("the key set in {}", file.display()),
    };
    let limits = match config.rate_limit {
        RateLimit::On => "limited per address and user",
        RateLimit::Off => "not limited",
    };
    format!(
        "splitcart {}: {} HTTP workers, checkouts in batches of up to {} and {} transactions at a time, up to \
         {} waiting; tokens are checked with {keys}, requests are {limits}",
        env!("CARGO_PKG_VERSION"),
        config.http_workers(),
        config.batch_max,
        config.transactions_in_flight,
        config.queue_max,
    )
}
