//! Configuration: `config/default.toml`, then a file, then the environment.
//!
//! Every key stands with its explanation in `config/default.toml`. Unknown keys and contradictions
//! are refused with a sentence that names them. Secrets never show in `Debug` or in errors.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config as Sources, File, FileFormat, Value, ValueKind};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const DEFAULTS: &str = include_str!("../config/default.toml");
const ENV_PREFIX: &str = "SPLITCART_";
/// Variables that are ours but are no settings (see `cli::embedded` and `faults`).
const NOT_SETTINGS: [&str; 3] = [
    "SPLITCART_PRIVATE_DATABASE_URL",
    "SPLITCART_PRIVATE_REDIS_URL",
    "SPLITCART_FAULT",
];
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
    pub lock_ms_max: u64,
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
#[serde(try_from = "String")]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub enum RateLimit {
    Off,
}

impl TryFrom<String> for RateLimit {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "off" => Ok(Self::Off),
            _ => Err("rate_limit must be \"off\""),
        }
    }
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
#[serde(try_from = "String")]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
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
    /// The file can't be read or is no TOML.
    #[error("the configuration file {} can't be used: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, without quoting it.
        problem: String,
    },
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
            builder = builder.add_source(File::from_str(&read(path)?, FileFormat::Toml));
        }
        for (name, value) in variables {
            let ours = name.starts_with(ENV_PREFIX);
            if !ours || NOT_SETTINGS.contains(&name.as_str()) {
                continue;
            }
            let Some((_, key)) = names.iter().find(|(known, _)| *known == name) else {
                return Err(Error::UnknownVariable { name });
            };
            builder = builder.set_override(key, value)?;
        }
        let config: Self = builder.build()?.try_deserialize()?;
        config.refuse_out_of_range()?;
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

    /// Every number has a maximum: beyond it a wait would never end or a time could not be told.
    fn refuse_out_of_range(&self) -> Result<(), Error> {
        const HOUR_MS: u64 = 60 * 60 * 1000;
        const YEAR_S: u64 = 365 * 24 * 60 * 60;
        let numbers = [
            ("batch_max", self.batch_max as u64, 1, 1024),
            (
                "transactions_in_flight",
                self.transactions_in_flight as u64,
                1,
                64,
            ),
            ("queue_max", self.queue_max as u64, 1, 1_000_000),
            ("queue_wait_ms_max", self.queue_wait_ms_max, 1, HOUR_MS),
            ("transaction_ms_max", self.transaction_ms_max, 1, HOUR_MS),
            ("lock_ms_max", self.lock_ms_max, 1, HOUR_MS),
            ("attempts_max", self.attempts_max.into(), 1, 100),
            (
                "database.connections_per_worker",
                self.database.connections_per_worker.into(),
                1,
                1000,
            ),
            (
                "database.acquire_ms_max",
                self.database.acquire_ms_max,
                1,
                HOUR_MS,
            ),
            (
                "database.start_wait_s_max",
                self.database.start_wait_s_max,
                0,
                3600,
            ),
            ("redis.timeout_ms", self.redis.timeout_ms, 1, HOUR_MS),
            ("redis.pause_ms", self.redis.pause_ms, 0, HOUR_MS),
            ("http.workers", self.http.workers as u64, 0, 1024),
            ("http.drain_s_max", self.http.drain_s_max, 0, 3600),
            ("vendors.idle_s_max", self.vendors.idle_s_max, 1, YEAR_S),
            // So that a crash frees its keys soon.
            (
                "idempotency.claim_lease_ms",
                self.idempotency.claim_lease_ms,
                100,
                10_000,
            ),
            (
                "idempotency.cart_hours",
                self.idempotency.cart_hours,
                1,
                10 * 365 * 24,
            ),
            (
                "idempotency.checkout_days",
                self.idempotency.checkout_days,
                1,
                10 * 365,
            ),
            ("outbox.poll_ms", self.outbox.poll_ms, 1, HOUR_MS),
            (
                "outbox.claim_max",
                self.outbox.claim_max.try_into().unwrap_or(0),
                1,
                10_000,
            ),
            (
                "outbox.claim_lease_s",
                self.outbox.claim_lease_s,
                1,
                24 * 60 * 60,
            ),
            (
                "outbox.attempts_max",
                self.outbox.attempts_max.try_into().unwrap_or(0),
                1,
                1000,
            ),
        ];
        match numbers
            .iter()
            .find(|(_, value, least, most)| !(least..=most).contains(&value))
        {
            Some((key, value, least, most)) => Err(Error::Contradiction(format!(
                "{key} is {value}; it must be {least} to {most}"
            ))),
            None => Ok(()),
        }
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
                self.queue_max < self.batch_max,
                "queue_max must be at least batch_max, or no batch could ever be full",
            ),
            (
                self.auth.issuer.is_empty(),
                "auth.issuer is empty: set SPLITCART_AUTH_ISSUER",
            ),
            (
                self.outbox.stream.is_empty(),
                "outbox.stream is empty: set SPLITCART_OUTBOX_STREAM",
            ),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, sentence)) => Err(Error::Contradiction((*sentence).to_owned())),
            None => Ok(()),
        }
    }
}

/// The file's text, known to be TOML: the complaints of a parser quote the line they are about, and
/// there may be a secret in it.
fn read(path: &Path) -> Result<String, Error> {
    let unusable = |problem: String| Error::File {
        path: path.to_owned(),
        problem,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    text.parse::<toml::Table>().map_err(|error| {
        let before = error.span().map_or("", |span| &text[..span.start]);
        let line = before.matches('\n').count() + 1;
        unusable(format!("line {line} is no TOML: {}", error.message()))
    })?;
    Ok(text)
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
                "transactions_in_flight is 0; it must be 1 to 64",
            ),
            (
                vec![("SPLITCART_IDEMPOTENCY_CHECKOUT_DAYS", "1000000000")],
                "checkout_days",
            ),
            (
                vec![("SPLITCART_TRANSACTION_MS_MAX", "3000000000")],
                "transaction_ms_max",
            ),
            (vec![("SPLITCART_AUTH_ISSUER", "")], "auth.issuer"),
            (vec![("SPLITCART_FAULTY", "1")], "SPLITCART_FAULTY"),
        ] {
            let error = load(&variables).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let text = b"batch_max = 4\n[auth]\nhs256_secret = \"hunter2\n";
        std::io::Write::write_all(&mut file, text).unwrap();
        let error = Config::load(Some(file.path()), []).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && !error.contains("hunter2"),
            "{error}"
        );
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
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
