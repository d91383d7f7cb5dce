//! A private PostgreSQL and Redis, for machines without servers: found on this machine, started in a data
//! directory, stopped with their owner.
//!
//! No service listens on TCP, touches a server that it did not start, or knows the stored data. The
//! services are children in process groups of their own: Ctrl-C reaches only their owner, who stops them
//! last. They outlive an owner who is killed, until the next start in the same directory, or, if that is
//! temporary, the next start in a temporary one.

mod account;
mod broker;
mod child;
mod data_dir;
mod directory;
mod error;
mod leftover;
mod lock;
mod open_directory;
mod postgres;
mod programs;
mod redis;
mod redis_node;
mod secret;
mod server;
mod url;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::SecretString;

pub use self::broker::{BrokerKind, PrivateBroker, find_broker};
pub use self::data_dir::DataDir;
pub use self::error::Error;
pub use self::postgres::{Memory, PrivatePostgres, SERVING_ROLE};
pub use self::redis::PrivateRedis;
pub use self::redis_node::{RedisNode, RedisOptions, RedisRole};
pub use self::secret::token_secret_in;

use self::{
    account::Account, directory::Directory, postgres::POSTGRES, programs::Search, redis::REDIS,
};

/// The options of the private services.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of their data.
    pub data_dir: DataDir,
    /// The memory that PostgreSQL may take.
    pub memory: Memory,
}

/// Finds the programs that the private services need, without starting anything.
///
/// # Errors
/// One is missing or too old.
pub fn find_programs() -> Result<(), Error> {
    Search::from_environment().both().map(drop)
}

/// The URLs of the private services that run in a directory, for their serving role: of PostgreSQL, and of
/// Redis. `None` if none runs there.
pub fn running_in(data_dir: &DataDir) -> Option<(String, String)> {
    let DataDir::Explicit(path) = data_dir else {
        return match data_dir {
            DataDir::Default => running_in(&DataDir::Explicit(data_dir::DEFAULT.into())),
            _ => None,
        };
    };
    let sockets = std::path::absolute(path).ok()?.join("run");
    let database = postgres::url_in(&sockets, SERVING_ROLE).ok()?;
    let redis = redis::url_in(&sockets).ok()?;
    let has_both = sockets.join(postgres::SOCKET).exists() && sockets.join(redis::SOCKET).exists();
    has_both.then_some((database, redis))
}

/// The running private services. Dropping them stops them as a crash would; `stop` asks them to end
/// and waits.
#[derive(Debug)]
pub struct EmbeddedServices {
    postgres: PrivatePostgres,
    redis: PrivateRedis,
    redis_server: PathBuf,
    token_secret: SecretString,
    directory: Arc<Directory>,
}

impl EmbeddedServices {
    /// Starts both services and returns when both answer. The database is empty when the directory
    /// is new: migrating is the caller's.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let (installed, redis_server) = Search::from_environment().both()?;
        let account = Account::for_services()?;
        if options.data_dir == DataDir::Temporary {
            remove_abandoned(&account).await;
        }
        let directory = Arc::new(Directory::open(&options.data_dir, account)?);
        let token_secret = secret::keep(directory.opened(), directory.account())?;
        let (postgres, redis) = tokio::try_join!(
            PrivatePostgres::launch(&installed, Arc::clone(&directory), options.memory),
            PrivateRedis::launch(&redis_server, Arc::clone(&directory)),
        )?;
        Ok(Self {
            postgres,
            redis,
            redis_server,
            token_secret,
            directory,
        })
    }

    /// The URL of the database `splitcart`, for sqlx and for libpq, as its owner.
    pub fn database_url(&self) -> &str {
        self.postgres.database_url()
    }

    /// The same database for the role that serves: it owns nothing, and may do what it was granted.
    pub fn serving_url(&self) -> &str {
        self.postgres.serving_url()
    }

    /// A random secret for tokens, which is kept in the directory.
    pub fn token_secret(&self) -> &SecretString {
        &self.token_secret
    }

    /// The directory of PostgreSQL's programs, for callers that run another one of them.
    pub fn postgres_programs(&self) -> &Path {
        self.postgres.programs()
    }

    /// The URL for the `redis` crate.
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// The absolute path of the data directory.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// PostgreSQL's main process, for tests that kill it.
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.pid()
    }

    /// Redis' process, for tests that stop or kill it.
    pub fn redis_pid(&self) -> Option<u32> {
        self.redis.pid()
    }

    /// Resolves when the services can't be kept running: PostgreSQL has ended by itself, or Redis has
    /// and does not start again. A Redis that starts again is no failure, because nothing relies on it. May
    /// be dropped and called again.
    pub async fn wait_for_failure(&mut self) -> Error {
        loop {
            let ended = tokio::select! {
                error = self.postgres.wait_for_failure() => return error,
                error = self.redis.wait_for_failure() => error,
            };
            tracing::warn!("starting it again: {ended}");
            match PrivateRedis::launch(&self.redis_server, Arc::clone(&self.directory)).await {
                Ok(redis) => self.redis = redis,
                Err(error) => return error,
            }
        }
    }

    /// Ends both services. A temporary directory is gone afterwards.
    pub async fn stop(self) -> Result<(), Error> {
        let Self {
            postgres,
            redis,
            directory,
            ..
        } = self;
        let (postgres, redis) = tokio::join!(postgres.stop(), redis.stop());
        drop(directory);
        postgres.and(redis)
    }
}

/// Stops temporary services that a killed test run left running. If they can't be stopped, the start goes on
/// all the same.
async fn remove_abandoned(account: &Account) {
    for directory in Directory::abandoned(account) {
        let postgres = server::stop_leftovers(&POSTGRES, &directory).await;
        let redis = server::stop_leftovers(&REDIS, &directory).await;
        if let Err(error) = postgres.and(redis).and_then(|()| directory.remove()) {
            tracing::warn!("an abandoned temporary directory stays: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
