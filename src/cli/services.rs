//! The PostgreSQL and Redis of a command: the configured ones, or private ones that it starts.

use std::path::Path;

use secrecy::SecretString;

use crate::{
    config::{Config, Services as Configured},
    embedded::{DataDir, EmbeddedServices, Options},
};

/// See the module.
pub struct Services {
    /// Where PostgreSQL is.
    pub database_url: SecretString,
    /// Where Redis is.
    pub redis_url: SecretString,
    embedded: Option<EmbeddedServices>,
}

impl Services {
    /// Starts private ones if none are configured.
    ///
    /// # Errors
    /// A program is missing, or the data directory can't be used.
    pub async fn get(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        if let Configured::External {
            database_url,
            redis_url,
        } = config.services()
        {
            return Ok(Self {
                database_url,
                redis_url,
                embedded: None,
            });
        }
        let data_dir = data_dir.map_or(DataDir::Default, |dir| DataDir::Explicit(dir.to_owned()));
        let embedded = EmbeddedServices::start(Options { data_dir }).await?;
        Ok(Self {
            database_url: embedded.database_url().into(),
            redis_url: embedded.redis_url().into(),
            embedded: Some(embedded),
        })
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
