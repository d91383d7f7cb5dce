//! The PostgreSQL and Redis of a command: the configured ones, or private ones that it starts.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use sqlx::PgConnection;

use crate::{
    config::{Config, Services as Configured, TokenKeys},
    db,
};
use private_servers::{DataDir, EmbeddedServices, Memory, Options, SERVING_ROLE, token_secret_in};

/// The URLs of PostgreSQL and Redis.
#[derive(Clone, Debug)]
pub struct Urls {
    /// `postgres://…`, of a role that may do all that the command needs.
    pub database: SecretString,
    /// `redis://…`
    pub redis: SecretString,
}

/// The servers of a command; private ones must be stopped.
pub struct Services {
    /// The URLs of both.
    pub urls: Urls,
    embedded: Option<EmbeddedServices>,
}

impl Services {
    /// Starts private ones if none are configured.
    ///
    /// # Errors
    /// A program is missing, or the data directory can't be used.
    pub async fn get(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        match config.services() {
            Configured::Embedded => Self::start_private(data_dir).await,
            Configured::External {
                database_url,
                redis_url,
            } => Ok(Self {
                urls: Urls {
                    database: database_url,
                    redis: redis_url,
                },
                embedded: None,
            }),
        }
    }

    /// Starts private ones, whatever is configured.
    ///
    /// # Errors
    /// A program is missing, or the data directory can't be used.
    pub async fn start_private(data_dir: Option<&Path>) -> anyhow::Result<Self> {
        let options = Options {
            data_dir: DataDir::named(data_dir),
            memory: Memory::ByTheMachine,
        };
        let embedded = EmbeddedServices::start(options).await?;
        let urls = Urls {
            database: embedded.database_url().into(),
            redis: embedded.redis_url().into(),
        };
        Ok(Self {
            urls,
            embedded: Some(embedded),
        })
    }

    /// The settings and URLs for a service on these servers. A private database is migrated here, by its owner,
    /// and served by a role that may do less; tokens are checked with the data directory's secret if no
    /// keys are configured.
    ///
    /// # Errors
    /// The private database can't be migrated.
    pub async fn for_serving(&self, config: &Config) -> anyhow::Result<(Config, Urls)> {
        let mut config = config.clone();
        let mut urls = self.urls.clone();
        let Some(embedded) = &self.embedded else {
            return Ok((config, urls));
        };
        if !config.auth.has_keys() {
            config.auth.trust_only(embedded.token_secret().clone());
        }
        let mut owner = connect(&urls.database).await?;
        if config.database.migrate_on_start {
            let missing = db::migrations::missing_migrations(&mut owner).await?;
            db::migrations::migrate(&mut owner).await?;
            if missing > 0 {
                tracing::info!(
                    database.migrations_applied = missing,
                    "the private database lacked {missing} migrations, which are applied now"
                );
            }
            // The role that serves may not migrate.
            config.database.migrate_on_start = false;
        }
        // Where some are missing there may be nothing to grant, and the start says so.
        if db::migrations::missing_migrations(&mut owner).await? == 0 {
            db::roles::let_serve(&mut owner, SERVING_ROLE).await?;
            urls.database = embedded.serving_url().into();
        }
        Ok((config, urls))
    }

    /// Runs a command's work with both servers, and stops private ones whatever the result. Ctrl-C and
    /// SIGTERM end the work.
    ///
    /// # Errors
    /// The work's own, a service that can't be started or has ended, or the signal.
    pub async fn during<T>(
        config: &Config,
        data_dir: Option<&Path>,
        work: impl AsyncFnOnce(&Urls) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let stopped = super::signals::stop_signal()?;
        let mut services = Self::get(config, data_dir).await?;
        let urls = services.urls.clone();
        let result = tokio::select! {
            result = work(&urls) => result,
            failure = services.failure() => Err(failure),
            () = stopped => Err(anyhow::anyhow!("stopped by a signal")),
        };
        services.stop().await?;
        result
    }

    /// The directory of the private services' data; empty for others.
    pub fn data_dir(&self) -> PathBuf {
        let embedded = self.embedded.as_ref();
        embedded.map_or_else(PathBuf::new, |private| private.data_dir().to_owned())
    }

    /// Resolves when a private service has ended by itself; never for configured ones.
    pub async fn failure(&mut self) -> anyhow::Error {
        match &mut self.embedded {
            Some(embedded) => embedded.wait_for_failure().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Stops what was started.
    ///
    /// # Errors
    /// A private service did not stop in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        match self.embedded {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }
}

/// The configuration with something to sign tokens with: where no keys are configured, the secret of the
/// private server's data directory.
///
/// # Errors
/// There is none.
pub fn with_token_keys(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = config.clone();
    let is_private = data_dir.is_some() || matches!(config.services(), Configured::Embedded);
    if !config.auth.has_keys() && is_private {
        config
            .auth
            .trust_only(token_secret_in(&DataDir::named(data_dir))?);
    }
    Ok(config)
}

/// The settings for a server that only this command talks to: over plain HTTP, and with the configured secret
/// for tokens, or, where there is none, with `secret`. An empty secret is replaced by the one of the data
/// directory, which `splitcart token` finds, too.
pub fn for_own_server(config: &Config, secret: impl FnOnce() -> SecretString) -> Config {
    let mut config = config.clone();
    let is_secret = matches!(config.auth.token_keys(), TokenKeys::Secret(_));
    if !is_secret || !config.auth.has_keys() {
        config.auth.trust_only(secret());
    }
    config.http.speak_plainly();
    config
}

/// The time that a command waits for a server that does not answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A connection for a command's own work.
///
/// # Errors
/// PostgreSQL can't be reached; the error names its address and a remedy.
pub async fn connect(url: &SecretString) -> anyhow::Result<PgConnection> {
    let attempt = tokio::time::timeout(CONNECT_MAX, db::pool::connect(url)).await;
    let error = match attempt
        .unwrap_or_else(|_| Err(db::Error::timed_out("hear from PostgreSQL in time")))
    {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    let place = db::pool::place_of(url)?;
    let advice = error.advice();
    let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
    anyhow::bail!("PostgreSQL at {place} can't be used: {error}{advice}")
}
