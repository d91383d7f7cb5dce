//! The errors of the private services, as sentences that say how to mend them.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// The reason why a private PostgreSQL or Redis can't be started, kept running or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed, or too old.
    #[error(
        "{missing}: run `apt-get install postgresql redis-server` (PostgreSQL 15 or newer), \
         or name your own servers by URL"
    )]
    MissingPrograms { missing: String },

    #[error("{program} is not installed: run scripts/install-brokers, or put it on PATH")]
    MissingBroker { program: &'static str },

    #[error("{program} did not start; its log:\n{log}")]
    BrokerNotReady { program: &'static str, log: String },

    /// The data was made by a PostgreSQL that is not installed here.
    #[error(
        "the data in {} were made by PostgreSQL {made_by}, which is not installed: run \
         `apt-get install postgresql-{made_by}`, or move the directory away to start empty",
        directory.display()
    )]
    OtherVersion {
        directory: PathBuf,
        /// The major version that made it.
        made_by: u32,
    },

    /// PostgreSQL refuses to run as root, and there is nobody else to run it.
    #[error(
        "PostgreSQL refuses to run as root and there is no user `{name}` to run it instead: \
         run `useradd --system {name}`, or start splitcart as another user"
    )]
    NoAccount { name: &'static str },

    /// The user who runs the services may not pass a directory on the way to the data.
    #[error(
        "user `{account}` runs the private services and cannot reach {}: run `chmod o+x {}`, \
         or choose another data directory, for example /var/lib/splitcart",
        directory.display(), blocked_at.display()
    )]
    Unreachable {
        directory: PathBuf,
        /// The first directory above it that is closed.
        blocked_at: PathBuf,
        /// The user who has to pass.
        account: String,
    },

    /// The directory holds files that are not ours; it would be made private to us.
    #[error(
        "{} is neither empty nor a splitcart data directory: choose another one",
        directory.display()
    )]
    NotOurs { directory: PathBuf },

    /// Something in a data directory was not put there by splitcart.
    #[error(
        "{} is a link, or not what splitcart has put there, and is left alone: find out who made it, and \
         remove it, or choose another data directory",
        path.display()
    )]
    Planted { path: PathBuf },

    /// A data directory, or something in it, belongs to a stranger.
    #[error(
        "{} belongs to the user with the number {owner}, who could change what we rely on: run splitcart as \
         that user, or choose another data directory",
        path.display()
    )]
    SomebodyElses { path: PathBuf, owner: u32 },

    /// Nothing was started in a directory, so it has no secret.
    #[error(
        "there is no secret of tokens in {directory}: start `splitcart serve` there first (or name the \
         server's directory with --data-dir, or its secret with SPLITCART_AUTH_HS256_SECRET)"
    )]
    NoSecret { directory: String },

    /// The secret of a directory can't be used.
    #[error(
        "{} can be read by others, or is too short to be a secret: run `chmod 600` on it if nobody has \
         read it, or remove it, and the next start makes another one",
        path.display()
    )]
    BadSecret { path: PathBuf },

    /// Another splitcart has the directory.
    #[error(
        "another splitcart{} is using the data directory {dir}: stop it, or choose another directory. To use \
         its servers meanwhile: SPLITCART_DATABASE_URL='postgres://splitcart@localhost/splitcart?host={dir}/run' \
         SPLITCART_REDIS_URL=unix://{dir}/run/redis.sock",
        owner.map(|pid| format!(" (process {pid})")).unwrap_or_default(), dir = directory.display()
    )]
    InUse {
        directory: PathBuf,
        /// The process id in the lock.
        owner: Option<u32>,
    },

    /// The path has bytes that a URL cannot carry.
    #[error("{} is not valid UTF-8: choose a data directory with a plain name", path.display())]
    NotUtf8 { path: PathBuf },

    /// `initdb` failed.
    #[error("PostgreSQL could not make its files in {}:\n{output}", directory.display())]
    Initdb { directory: PathBuf, output: String },

    /// A service ended without being asked to.
    #[error("{service} ended by itself ({status}); the end of {}:\n{log_end}", log.display())]
    Ended {
        service: &'static str,
        status: ExitStatus,
        log: PathBuf,
        log_end: String,
    },

    /// A service runs but does not answer.
    #[error(
        "{service} did not answer within {limit_seconds} s; the end of {}:\n{log_end}",
        log.display()
    )]
    NotReady {
        service: &'static str,
        limit_seconds: u64,
        log: PathBuf,
        log_end: String,
    },

    /// A process survived even the last signal.
    #[error("{service} in {} cannot be stopped: end process {pid} by hand", directory.display())]
    StillRunning {
        service: &'static str,
        directory: PathBuf,
        pid: u32,
    },

    /// PostgreSQL answers but the first statements failed.
    #[error("the private PostgreSQL could not be prepared: {0}")]
    Database(#[from] sqlx::Error),

    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: "cannot … the path".
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: adds the failed action and its path.
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
