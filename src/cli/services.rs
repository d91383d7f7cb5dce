//! The PostgreSQL and Redis of a command: the configured ones, or private ones that it starts.

use std::path::Path;

use secrecy::SecretString;

use crate::{
    config::{Config, Services as Configured},
    embedded::{DataDir, EmbeddedServices, Options},
};

/// Where PostgreSQL and Redis are.
#[derive(Clone, Debug)]
pub struct Urls {
    /// `postgres://…`
    pub database: SecretString,
    /// `redis://…`
    pub redis: SecretString,
}

/// See the module.
pub struct Services {
    /// Where they are.
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
        let data_dir = data_dir.map_or(DataDir::Default, |dir| DataDir::Explicit(dir.to_owned()));
        let embedded = EmbeddedServices::start(Options { data_dir }).await?;
        let urls = Urls {
            database: embedded.database_url().into(),
            redis: embedded.redis_url().into(),
        };
        Ok(Self {
            urls,
            embedded: Some(embedded),
        })
    }

    /// Runs a command's work with services that are there, and stops them whatever comes of it. Ctrl-C
    /// and SIGTERM end the work.
    ///
    /// # Errors
    /// The work's own, a service that can't be started or has ended, or the signal.
    pub async fn during<T>(
        config: &Config,
        data_dir: Option<&Path>,
        work: impl AsyncFnOnce(&Urls) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let told_to_stop = super::serve::stop_signal()?;
        let mut services = Self::get(config, data_dir).await?;
        let urls = services.urls.clone();
        let result = tokio::select! {
            result = work(&urls) => result,
            failure = services.failure() => Err(failure),
            () = told_to_stop => Err(anyhow::anyhow!("stopped by a signal")),
        };
        services.stop().await?;
        result
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
