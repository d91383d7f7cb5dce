//! Configuration: `config/default.toml`, then a file, then the environment.
//!
//! Every key stands with its explanation in `config/default.toml`. Unknown keys and contradictions
//! are refused with a sentence that names them. Secrets never show in `Debug` or in errors.

use std::{net::SocketAddr, path::Path, time::Duration};

use config::{Config as Sources, File, FileFormat, Value, ValueKind};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const DEFAULTS: &str = include_str!("../config/default.toml");
const ENV_PREFIX: &str = "SPLITCART_";
/// Variables that are ours but are no settings (see `cli::embedded` and `faults`).
const NOT_SETTINGS: [&str; 2] = ["SPLITCART_PRIVATE_", "SPLITCART_FAULT"];
/// The secret that everybody can read in the source.
const DEVELOPMENT_SECRET: &str = "splitcart-development-secret-do-not-use-in-production";

/// All settings. The keys are explained in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Config {
    pub batch_max: usize,
    pub transactions_in_flight: usize,
    pub queue_max: usize,
    pub queue_wait_ms_max: u64,
    pub transaction_ms_max: u64,
    pub attempts_max: u32,
    pub allow_ach: bool,
    pub rate_limit: RateLimit,
    pub database: Database,
    pub redis: Redis,
    pub http: Http,
    pub ops: Ops,
    pub auth: Auth,
    pub vendors: Vendors,
    pub idempotency: Idempotency,
    pub outbox: Outbox,
    pub log: Log,
}

/// `rate_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub enum RateLimit {
    Off,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Database {
    pub url: SecretString,
    pub migrate_on_start: bool,
    pub connections_per_worker: u32,
    pub acquire_ms_max: u64,
    pub start_wait_s_max: u64,
}

/// `[redis]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Redis {
    pub url: SecretString,
    pub timeout_ms: u64,
    pub pause_ms: u64,
}

/// `[http]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Http {
    pub addr: SocketAddr,
    pub workers: usize,
    pub drain_s_max: u64,
}

/// `[ops]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Ops {
    pub addr: SocketAddr,
}

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Auth {
    pub hs256_secret: SecretString,
    pub issuer: String,
}

/// `[vendors]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Vendors {
    pub idle_s_max: u64,
}

/// `[idempotency]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Idempotency {
    pub claim_lease_ms: u64,
    pub cart_hours: u64,
    pub checkout_days: u64,
}

/// `[outbox]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Outbox {
    pub stream: String,
    pub stream_len_max: usize,
    pub poll_ms: u64,
    pub claim_max: i64,
    pub claim_lease_s: u64,
    pub attempts_max: i32,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub enum LogFormat {
    Human,
    Json,
}

/// Where PostgreSQL and Redis are.
#[derive(Clone, Debug)]
pub enum Services {
    /// Nobody told: we start our own.
    Embedded,
    /// Somebody runs them for us.
    External {
        /// `postgres://…`
        database_url: SecretString,
        /// `redis://…`
        redis_url: SecretString,
    },
}

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source can't be read, or a key is unknown or has the wrong type.
    #[error("the configuration can't be used: {0}")]
    Unusable(#[from] config::ConfigError),
    /// A variable of ours that names no setting.
    #[error(
        "unknown environment variable {name}: no setting has that name \
         (they are listed in config/default.toml)"
    )]
    UnknownVariable {
        /// The variable.
        name: String,
    },
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
        let names = setting_names(&defaults);
        let mut builder = Sources::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(path) = file {
            builder = builder.add_source(File::from(path).format(FileFormat::Toml));
        }
        for (name, value) in variables {
            let ours = name.starts_with(ENV_PREFIX);
            if !ours || NOT_SETTINGS.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let Some((_, key)) = names.iter().find(|(known, _)| *known == name) else {
                return Err(Error::UnknownVariable { name });
            };
            builder = builder.set_override(key, value)?;
        }
        let config: Self = builder.build()?.try_deserialize()?;
        config.refuse_contradictions()?;
        Ok(config)
    }

    /// Where PostgreSQL and Redis are.
    pub fn services(&self) -> Services {
        if self.database.url.expose_secret().is_empty() {
            Services::Embedded
        } else {
            Services::External {
                database_url: self.database.url.clone(),
                redis_url: self.redis.url.clone(),
            }
        }
    }

    /// Whether tokens are signed with the secret that everybody knows.
    pub fn has_development_secret(&self) -> bool {
        self.auth.hs256_secret.expose_secret() == DEVELOPMENT_SECRET
    }

    /// How long a checkout's transaction may take up to its commit.
    pub fn transaction_limit(&self) -> Duration {
        Duration::from_millis(self.transaction_ms_max)
    }

    fn refuse_contradictions(&self) -> Result<(), Error> {
        let database = !self.database.url.expose_secret().is_empty();
        let redis = !self.redis.url.expose_secret().is_empty();
        let rules = [
            (
                database != redis,
                "database.url and redis.url go together: set both to use your own servers, or \
                 neither to have private ones started",
            ),
            (
                self.has_development_secret() && !self.http.addr.ip().is_loopback(),
                "auth.hs256_secret is the development secret, which everybody can read in the \
                 source, but http.addr is not a loopback address: set \
                 SPLITCART_AUTH_HS256_SECRET to a secret of your own",
            ),
            (
                self.auth.hs256_secret.expose_secret().is_empty(),
                "auth.hs256_secret is empty: set SPLITCART_AUTH_HS256_SECRET",
            ),
            (
                self.http.addr == self.ops.addr && self.http.addr.port() != 0,
                "http.addr and ops.addr are the same: operations need a listener of their own",
            ),
            (
                !(1..=1024).contains(&self.batch_max),
                "batch_max must be 1 to 1024",
            ),
            (
                !(1..=64).contains(&self.transactions_in_flight),
                "transactions_in_flight must be 1 to 64",
            ),
            (
                self.queue_max < self.batch_max,
                "queue_max must be at least batch_max, or no batch could ever be full",
            ),
            (
                self.queue_wait_ms_max == 0 || self.transaction_ms_max == 0,
                "queue_wait_ms_max and transaction_ms_max must be positive",
            ),
            (
                !(1..=100).contains(&self.attempts_max),
                "attempts_max must be 1 to 100",
            ),
            (
                self.database.connections_per_worker == 0,
                "database.connections_per_worker must be positive",
            ),
            (
                !(100..=10_000).contains(&self.idempotency.claim_lease_ms),
                "idempotency.claim_lease_ms must be 100 to 10000, so that a crash frees its keys \
                 soon",
            ),
            (
                self.idempotency.cart_hours == 0 || self.idempotency.checkout_days == 0,
                "idempotency.cart_hours and idempotency.checkout_days must be positive",
            ),
            (
                self.outbox.claim_max < 1 || self.outbox.attempts_max < 1,
                "outbox.claim_max and outbox.attempts_max must be positive",
            ),
            (
                self.outbox.poll_ms == 0 || self.outbox.claim_lease_s == 0,
                "outbox.poll_ms and outbox.claim_lease_s must be positive",
            ),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, sentence)) => Err(Error::Contradiction((*sentence).to_owned())),
            None => Ok(()),
        }
    }
}

/// Every setting's variable and key, read off the defaults: `("SPLITCART_HTTP_ADDR", "http.addr")`.
fn setting_names(defaults: &Sources) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, names: &mut Vec<(String, String)>) {
        if let ValueKind::Table(table) = &value.kind {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(&path, value, names);
            }
        } else {
            let variable = path.replace('.', "_").to_uppercase();
            names.push((format!("{ENV_PREFIX}{variable}"), path.to_owned()));
        }
    }
    let mut names = Vec::new();
    walk("", &defaults.cache, &mut names);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, Error> {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Config::load(None, owned.collect::<Vec<_>>())
    }

    #[test]
    fn the_defaults_are_usable_and_embedded() {
        let config = load(&[]).unwrap();
        assert!(matches!(config.services(), Services::Embedded));
        assert_eq!(
            (config.batch_max, config.auth.issuer.as_str()),
            (32, "splitcart")
        );
        assert!(config.has_development_secret());
    }

    #[test]
    fn the_fixed_variables_reach_their_settings() {
        let config = load(&[
            ("SPLITCART_DATABASE_URL", "postgres://db/x"),
            ("SPLITCART_REDIS_URL", "redis://r"),
            ("SPLITCART_HTTP_ADDR", "0.0.0.0:80"),
            ("SPLITCART_OPS_ADDR", "127.0.0.1:81"),
            ("SPLITCART_AUTH_HS256_SECRET", "s3cret"),
            ("SPLITCART_AUTH_ISSUER", "issuer"),
            ("SPLITCART_BATCH_MAX", "1"),
            ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "3"),
            ("SPLITCART_ALLOW_ACH", "true"),
            ("HOME", "/ignored"),
        ])
        .unwrap();
        assert!(matches!(config.services(), Services::External { .. }));
        assert_eq!(config.http.addr.to_string(), "0.0.0.0:80");
        assert_eq!(config.ops.addr.to_string(), "127.0.0.1:81");
        assert_eq!((config.batch_max, config.transactions_in_flight), (1, 3));
        assert!(config.allow_ach && config.auth.issuer == "issuer");
    }

    #[test]
    fn a_file_overrides_the_defaults_and_the_environment_overrides_the_file() {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"batch_max = 4\nallow_ach = true\n").unwrap();
        let variables = [("SPLITCART_BATCH_MAX".to_owned(), "8".to_owned())];
        let config = Config::load(Some(file.path()), variables).unwrap();
        assert_eq!((config.batch_max, config.allow_ach), (8, true));
    }

    #[test]
    fn unknown_keys_and_variables_are_refused_by_name() {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"[http]\nport = 1\n").unwrap();
        let error = Config::load(Some(file.path()), []).unwrap_err().to_string();
        assert!(error.contains("port"), "{error}");
        let error = load(&[("SPLITCART_BATCHMAX", "1")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("SPLITCART_BATCHMAX"), "{error}");
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        for (variables, named) in [
            (
                vec![("SPLITCART_DATABASE_URL", "postgres://x")],
                "redis.url",
            ),
            (
                vec![("SPLITCART_HTTP_ADDR", "0.0.0.0:80")],
                "auth.hs256_secret",
            ),
            (vec![("SPLITCART_OPS_ADDR", "127.0.0.1:8080")], "ops.addr"),
            (vec![("SPLITCART_BATCH_MAX", "0")], "batch_max"),
            (vec![("SPLITCART_BATCH_MAX", "many")], "batch_max"),
            (vec![("SPLITCART_QUEUE_MAX", "8")], "queue_max"),
            (
                vec![("SPLITCART_LOG_FORMAT", "xml")],
                "\"human\" or \"json\"",
            ),
            (
                vec![("SPLITCART_TRANSACTIONS_IN_FLIGHT", "0")],
                "transactions_in_flight",
            ),
        ] {
            let error = load(&variables).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn secrets_never_show() {
        let config = load(&[
            ("SPLITCART_DATABASE_URL", "postgres://u:hunter2@db/x"),
            ("SPLITCART_REDIS_URL", "redis://:hunter2@r"),
            ("SPLITCART_AUTH_HS256_SECRET", "hunter2"),
        ])
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
