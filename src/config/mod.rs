//! Configuration: `config/default.toml`, then a file, then the environment.
//!
//! Every key is explained in `config/default.toml`. Unknown keys and contradictions are refused with a
//! sentence that names them. Secrets never appear in `Debug` or in errors.

mod auth;
mod checks;
mod connections;
mod http;
mod inventory;
mod live;
mod off_or_time;
mod orders;
mod outbox;
mod rate_limits;
mod redis;
mod sources;
mod telemetry;
mod urls;
mod warnings;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config as Sources, File, FileFormat};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use self::sources::{SettingsFile, settings};

pub use self::{
    auth::{Auth, TokenKeys},
    connections::{BACKGROUND_CONNECTIONS, WEBHOOK_CONNECTIONS},
    http::{Http, Origin, Protocol, Proxy},
    inventory::Inventory,
    live::Live,
    orders::{DecideWithin, Orders},
    outbox::{
        Compression, Discard, Kafka, Mechanism, NatsJetStream, Outbox, RedisStream, Retention,
        Sink, Webhook,
    },
    rate_limits::{Limits, RateLimit},
    redis::{MalformedUrl, Redis, RedisServers},
    telemetry::Telemetry,
    warnings::Warning,
};

const DEFAULTS: &str = include_str!("../../config/default.toml");
const ENV_PREFIX: &str = "SPLITCART_";
/// Variables that begin like settings and are none (see `cli::embedded` and `faults`).
const NOT_SETTINGS: [&str; 3] = [
    "SPLITCART_PRIVATE_DATABASE_URL",
    "SPLITCART_PRIVATE_REDIS_URL",
    "SPLITCART_FAULT",
];
/// All settings. The keys are explained in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub batch_max: usize,
    pub batch_lines_max: usize,
    pub transactions_in_flight: usize,
    pub transactions_overdue_max: usize,
    pub batch_min_in_parallel: usize,
    pub queue_max: usize,
    pub queue_wait_ms_max: u64,
    pub transaction_ms_max: u64,
    pub commit_ms_max: u64,
    pub lock_ms_max: u64,
    pub held_wait_ms_max: u64,
    pub aside_max: usize,
    pub attempts_max: u32,
    pub allow_ach: bool,
    pub rate_limit: RateLimit,
    pub reload_files_ms: u64,
    pub database: Database,
    pub redis: Redis,
    pub http: Http,
    pub ops: Ops,
    pub auth: Auth,
    pub limits: Limits,
    pub cart: Cart,
    pub orders: Orders,
    pub inventory: Inventory,
    pub live: Live,
    pub vendors: Vendors,
    pub idempotency: Idempotency,
    pub outbox: Outbox,
    pub log: Log,
    pub telemetry: Telemetry,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: SecretString,
    pub url_file: PathBuf,
    pub pool_mode: PoolMode,
    pub prepared_statements: bool,
    pub migrate_on_start: bool,
    pub pool_per_worker: u32,
    pub acquire_ms_max: u64,
    pub start_wait_s_max: u64,
}

/// `database.pool_mode`, by its name in `PgBouncer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PoolMode {
    Session,
    Transaction,
}

impl TryFrom<String> for PoolMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "session" => Ok(Self::Session),
            "transaction" => Ok(Self::Transaction),
            _ => Err("database.pool_mode must be \"session\" or \"transaction\""),
        }
    }
}

/// `[ops]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    pub addr: SocketAddr,
    pub debug: bool,
    pub audit_file: PathBuf,
}

/// `[cart]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    pub price_hold: PriceHold,
    pub batch_max: usize,
    pub transactions_in_flight: usize,
    pub batch_min_in_parallel: usize,
    pub queue_max: usize,
}

/// `cart.price_hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PriceHold {
    Off,
    Lasting(Duration),
}

impl TryFrom<String> for PriceHold {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = off_or_time::read("cart.price_hold", &text, 366, "24h")?;
        Ok(time.map_or(Self::Off, Self::Lasting))
    }
}

/// `[vendors]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendors {
    pub idle_s_max: u64,
}

/// `[idempotency]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    pub claim_lease_ms: u64,
    pub cart_hours: u64,
    pub checkout_days: u64,
    pub redis_minutes: u64,
    pub redis_store_kb_max: usize,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
    pub addresses: bool,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    Human,
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("log.format must be \"human\" or \"json\""),
        }
    }
}

/// The PostgreSQL and the Redis that a command uses.
#[derive(Clone, Debug)]
pub enum Services {
    /// No URL is set: private ones are started.
    Embedded,
    /// Servers that run already.
    External {
        /// `postgres://…`
        database_url: SecretString,
        /// `redis://…`; empty if it is not set.
        redis_url: SecretString,
    },
}

/// The reason why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source can't be read, or a key is unknown or has the wrong type.
    #[error("the configuration can't be used: {0}")]
    Unusable(#[from] config::ConfigError),
    /// The file can't be read, or is not TOML.
    #[error("the configuration file {} can't be used: {problem}", path.display())]
    File {
        path: PathBuf,
        /// The problem, without a quotation of the file: it may contain a secret.
        problem: String,
    },
    /// A variable with our prefix that names no setting.
    #[error("unknown environment variable {name}: no setting has that name; {hint}")]
    UnknownVariable {
        name: String,
        /// The setting that was probably meant.
        hint: String,
    },
    /// A setting's value can't be used.
    #[error("{0}")]
    Value(String),
    /// Settings that contradict each other, or a value out of its range.
    #[error("{0}")]
    Contradiction(String),
}

impl Config {
    /// Reads the defaults, then `file`, then the variables.
    ///
    /// # Errors
    /// An unreadable source, an unknown key or variable, a wrong type, or a contradiction.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let defaults = Sources::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()?;
        let settings = settings(&defaults);
        let file = file.map(|path| SettingsFile::read(path, &settings));
        let file = file.transpose()?;
        let mut builder = Sources::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = &file {
            builder = builder.add_source(File::from_str(&file.text, FileFormat::Toml));
        }
        let mut given = Vec::new();
        for (name, value) in variables {
            let ours = name.starts_with(ENV_PREFIX);
            if !ours || NOT_SETTINGS.contains(&name.as_str()) {
                continue;
            }
            let Some(setting) = settings.iter().find(|known| known.variable == name) else {
                return Err(sources::unknown_variable(name, &settings));
            };
            builder = builder.set_override(&setting.key, setting.value_of(value))?;
            given.push(name);
        }
        let mut config: Self = builder
            .build()?
            .try_deserialize()
            .map_err(|error| sources::unusable_value(&error, file.as_ref(), &given))?;
        config.read_secrets()?;
        config.outbox.complete_sinks()?;
        config.refuse_out_of_range()?;
        config.refuse_contradictions()?;
        Ok(config)
    }

    /// Reads the secrets that are given as files.
    fn read_secrets(&mut self) -> Result<(), Error> {
        let outbox = &mut self.outbox;
        let auth = &mut self.auth;
        for (key, value, file) in [
            (
                "database.url",
                &mut self.database.url,
                &self.database.url_file,
            ),
            ("redis.url", &mut self.redis.url, &self.redis.url_file),
            (
                "redis.sentinel_password",
                &mut self.redis.sentinel_password,
                &self.redis.sentinel_password_file,
            ),
            (
                "outbox.redis_url",
                &mut outbox.redis_url,
                &outbox.redis_url_file,
            ),
            (
                "auth.hs256_secret",
                &mut auth.hs256_secret,
                &auth.hs256_secret_file,
            ),
        ] {
            *value = sources::read_secret(key, value, file)?;
        }
        Ok(())
    }

    /// The PostgreSQL and the Redis to use.
    pub fn services(&self) -> Services {
        if self.database.url.expose_secret().is_empty() {
            Services::Embedded
        } else {
            Services::External {
                database_url: urls::with_pooling(
                    &self.database.url,
                    self.database.pool_mode,
                    self.database.prepared_statements,
                ),
                redis_url: self.redis.url.clone(),
            }
        }
    }

    /// The longest time of a checkout's transaction up to its commit.
    pub fn transaction_limit(&self) -> Duration {
        Duration::from_millis(self.transaction_ms_max)
    }

    /// The longest time that a caller waits before the outcome is reported as unknown: the longest wait
    /// in the queue, and then an ordinary transaction.
    pub fn answer_wait_max(&self) -> Duration {
        const A_TRANSACTION: Duration = Duration::from_millis(400);
        Duration::from_millis(self.queue_wait_ms_max) + A_TRANSACTION
    }
}

#[cfg(test)]
mod tests;
