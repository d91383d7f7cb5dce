//! A private PostgreSQL on a Unix socket, with settings that keep every acknowledged commit.
//! Usable alone. Owns the server and its settings; its files and database are made in `cluster`.

mod cluster;
mod memory;
#[cfg(test)]
mod tests;

pub use self::memory::Memory;

use std::{path::Path, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::process::Command;

use super::{
    Error,
    account::Account,
    child,
    data_dir::DataDir,
    directory::Directory,
    programs::{PostgresPrograms, Search},
    server::{self, Kind, Server},
    url,
};

const USER: &str = "splitcart";
/// The role that serves; see [`PrivatePostgres::serving_url`].
pub const SERVING_ROLE: &str = "splitcart_serving";
const DATABASE: &str = "splitcart";
pub(super) const SOCKET: &str = ".s.PGSQL.5432";

pub(super) const POSTGRES: Kind = Kind {
    name: "PostgreSQL",
    program: "postgres",
    data: "postgres",
    log: "postgres.log",
    // Recovery after a crash reads all of the log since the last checkpoint.
    ready_within: Duration::from_mins(1),
    poll: Duration::from_millis(20),
    // Fast, immediate (recovery at the next start), and the end.
    stop: &[
        (Signal::SIGINT, Duration::from_secs(30)),
        (Signal::SIGQUIT, Duration::from_secs(10)),
        (Signal::SIGKILL, Duration::from_secs(10)),
    ],
    last_word: Signal::SIGQUIT,
};

/// A running private PostgreSQL. Dropping it stops it as a crash would; `stop` asks it to end and
/// waits.
#[derive(Debug)]
pub struct PrivatePostgres {
    server: Server,
    url: String,
    serving_url: String,
    programs: PostgresPrograms,
}

impl PrivatePostgres {
    /// Starts one in a temporary directory, which takes little memory.
    pub async fn start() -> Result<Self, Error> {
        Self::start_in(&DataDir::Temporary).await
    }

    /// Starts one in `directory`, with the data that are there.
    pub async fn start_at(directory: &Path) -> Result<Self, Error> {
        Self::start_in(&DataDir::Explicit(directory.to_owned())).await
    }

    /// Starts one in `directory` with further settings, which override ours: for tests of what a server must
    /// not be.
    pub async fn start_with_settings(
        directory: &Path,
        settings: &'static [&'static str],
    ) -> Result<Self, Error> {
        let installed = Search::from_environment().postgres()?;
        let data_dir = DataDir::Explicit(directory.to_owned());
        let directory = Directory::open(&data_dir, Account::for_services()?)?;
        Self::launch_with(&installed, Arc::new(directory), Memory::Little, settings).await
    }

    async fn start_in(data_dir: &DataDir) -> Result<Self, Error> {
        let installed = Search::from_environment().postgres()?;
        let directory = Directory::open(data_dir, Account::for_services()?)?;
        Self::launch(&installed, Arc::new(directory), Memory::Little).await
    }

    pub(super) async fn launch(
        installed: &[PostgresPrograms],
        directory: Arc<Directory>,
        memory: Memory,
    ) -> Result<Self, Error> {
        Self::launch_with(installed, directory, memory, &[]).await
    }

    async fn launch_with(
        installed: &[PostgresPrograms],
        directory: Arc<Directory>,
        memory: Memory,
        settings: &[&str],
    ) -> Result<Self, Error> {
        let data = directory.path().join(POSTGRES.data);
        let there = directory.opened().existing_subdirectory(POSTGRES.data)?;
        let programs = PostgresPrograms::choose(installed, &data, there.as_ref())?;
        server::stop_leftovers(&POSTGRES, &directory).await?;
        if there.is_none() {
            cluster::create(&programs, &directory).await?;
        }
        cluster::remove_pid_file(&data)?;

        let socket_directory = directory.socket_directory(SOCKET)?;
        let sockets = socket_directory.path();
        let (url, serving_url) = (url_in(sockets, USER)?, url_in(sockets, SERVING_ROLE)?);
        let mut command = server_command(&programs, &data, sockets, memory);
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let maintenance = url.parse::<PgConnectOptions>()?.database("postgres");
        let answers = async || maintenance.connect().await.is_ok();
        let server =
            Server::start(&POSTGRES, command, socket_directory, directory, answers).await?;
        cluster::create_database(&maintenance).await?;
        Ok(Self {
            server,
            url,
            serving_url,
            programs,
        })
    }

    /// The URL of the database `splitcart`, for sqlx and for libpq.
    pub fn database_url(&self) -> &str {
        &self.url
    }

    /// The URL of the same database for a role that owns nothing in it and may do only what the owner grants.
    pub fn serving_url(&self) -> &str {
        &self.serving_url
    }

    /// The directory of its programs, for callers that run another one of them.
    pub fn programs(&self) -> &Path {
        let directory = self.programs.postgres.parent();
        directory.expect("a program is in a directory")
    }

    /// The directory that `start_at` takes.
    pub fn data_dir(&self) -> &Path {
        self.server.data_dir()
    }

    /// The server's main process, for tests that kill it; none once it has been seen to end.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Resolves when PostgreSQL ends without being asked to.
    pub async fn wait_for_failure(&mut self) -> Error {
        self.server.wait_for_failure().await
    }

    /// Ends PostgreSQL: open sessions are cut, and everything committed is on disk.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop().await
    }

    /// Leaves the process running, as a killed owner does.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        self.server.abandon();
    }
}

/// The URL for a role, where the socket is in this directory.
pub(super) fn url_in(sockets: &Path, role: &str) -> Result<String, Error> {
    // The port is part of the socket's name. Said in the URL, PGPORT cannot change it, nor PGSSLMODE ask
    // for what a Unix socket does not have.
    let host = url::encode(sockets)?;
    Ok(format!(
        "postgres:///{DATABASE}?host={host}&port=5432&user={role}&sslmode=disable"
    ))
}

fn server_command(
    programs: &PostgresPrograms,
    data: &Path,
    sockets: &Path,
    memory: Memory,
) -> Command {
    let mut command = command(&programs.postgres, data);
    command.arg("-D").arg(data);
    for setting in memory.settings() {
        command.arg("-c").arg(setting);
    }
    for setting in SETTINGS {
        command.arg("-c").arg(setting);
    }
    // The value is a list; quotes keep a comma or a space in the path from cutting it in two.
    let quoted = sockets.display().to_string().replace('"', "\"\"");
    command
        .arg("-c")
        .arg(format!("unix_socket_directories=\"{quoted}\""));
    command
}

/// A PostgreSQL program, which works in `directory`.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = child::command(program);
    command.current_dir(directory);
    command
}

const SETTINGS: &[&str] = &[
    // Nothing listens on TCP, and only we may open the socket.
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "cluster_name=splitcart",
    // An acknowledged commit is on disk. These are the defaults, said aloud: our promises need them.
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    // Several instances with their pools, and the tools beside them.
    "max_connections=200",
    // Few checkpoints: each makes the pages written next go to the log in full.
    "max_wal_size=2GB",
    "checkpoint_timeout=15min",
    // Compiling a plan takes longer than any of our short statements.
    "jit=off",
    // Local disks read at random about as fast as in order.
    "random_page_cost=1.1",
    // The same times everywhere, whatever the machine's zone.
    "timezone=UTC",
    "log_timezone=UTC",
    // To our log file, through the standard error.
    "log_destination=stderr",
    "logging_collector=off",
];
