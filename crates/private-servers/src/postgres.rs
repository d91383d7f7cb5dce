//! A private PostgreSQL on a Unix socket, with settings that keep every acknowledged commit.
//! Usable alone.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::process::Command;

use super::account::Account;
use super::child::{self, Service};
use super::directory::{DataDir, Directory, SocketDirectory};
use super::programs::{PostgresPrograms, Search};
use super::{Error, leftover, url};

const PROGRAM: &str = "postgres";
const USER: &str = "splitcart";
/// The role that serves; see [`PrivatePostgres::serving_url`].
pub const SERVING_ROLE: &str = "splitcart_serving";
const DATABASE: &str = "splitcart";
const DATA: &str = "postgres";
const NEW_DATA: &str = "postgres.new";
const SOCKET: &str = ".s.PGSQL.5432";
/// Recovery after a crash reads all of the log since the last checkpoint.
const READY_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// Fast, immediate (recovery at the next start), and the end.
const STOP: &[(Signal, Duration)] = &[
    (Signal::SIGINT, Duration::from_secs(30)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(10)),
];

/// A running private PostgreSQL. Dropping it stops it as a crash would; `stop` asks it to end and
/// waits.
#[derive(Debug)]
pub struct PrivatePostgres {
    // In this order: the process ends before its directories go.
    service: Service,
    url: String,
    serving_url: String,
    programs: PostgresPrograms,
    _socket_directory: SocketDirectory,
    directory: Arc<Directory>,
}

impl PrivatePostgres {
    /// Starts one in a temporary directory.
    pub async fn start() -> Result<Self, Error> {
        Self::start_in(&DataDir::Temporary).await
    }

    /// Starts one in `directory`, with the data that are there.
    pub async fn start_at(directory: &Path) -> Result<Self, Error> {
        Self::start_in(&DataDir::Explicit(directory.to_owned())).await
    }

    async fn start_in(data_dir: &DataDir) -> Result<Self, Error> {
        let installed = Search::from_environment().postgres()?;
        let directory = Directory::open(data_dir, Account::for_services()?)?;
        Self::launch(&installed, Arc::new(directory)).await
    }

    pub(super) async fn launch(
        installed: &[PostgresPrograms],
        directory: Arc<Directory>,
    ) -> Result<Self, Error> {
        let data = directory.path().join(DATA);
        let there = directory.opened().existing_subdirectory(DATA)?;
        let programs = PostgresPrograms::choose(installed, &data, there.as_ref())?;
        stop_leftovers(&directory).await?;
        if there.is_none() {
            create_cluster(&programs, &directory).await?;
        }
        remove_pid_file(&data)?;

        let socket_directory = directory.socket_directory(SOCKET)?;
        let sockets = socket_directory.path();
        // The port is part of the socket's name. Said in the URL, PGPORT cannot change it, nor
        // PGSSLMODE ask for what a Unix socket does not have.
        let host = url::encode(sockets)?;
        let url_of = |role: &str| {
            format!("postgres:///{DATABASE}?host={host}&port=5432&user={role}&sslmode=disable")
        };
        let (url, serving_url) = (url_of(USER), url_of(SERVING_ROLE));
        let command = server_command(&programs, &data, sockets);
        let log = directory.new_log("postgres.log")?;
        let service = Service::start(
            "PostgreSQL",
            command,
            directory.account(),
            log,
            Signal::SIGQUIT,
        )?;
        let mut postgres = Self {
            service,
            url,
            serving_url,
            programs,
            _socket_directory: socket_directory,
            directory,
        };
        let maintenance = postgres
            .url
            .parse::<PgConnectOptions>()?
            .database("postgres");
        postgres
            .service
            .wait_until_ready(READY_WITHIN, POLL, async || {
                maintenance.connect().await.is_ok()
            })
            .await?;
        create_database(&maintenance).await?;
        Ok(postgres)
    }

    /// The URL of the database `splitcart`, for sqlx and for libpq.
    pub fn database_url(&self) -> &str {
        &self.url
    }

    /// The same database for a role that owns nothing in it, and may do there what its owner grants.
    pub fn serving_url(&self) -> &str {
        &self.serving_url
    }

    /// The directory of its programs, for whoever needs one that comes with it.
    pub fn programs(&self) -> &Path {
        let directory = self.programs.postgres.parent();
        directory.expect("a program stands in a directory")
    }

    /// The directory that `start_at` takes.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The server's main process, for tests that kill it; none once it has been seen to end.
    pub fn pid(&self) -> Option<u32> {
        self.service.pid()
    }

    /// Resolves when PostgreSQL ends without being asked to.
    pub async fn wait_for_failure(&mut self) -> Error {
        self.service.wait_for_failure().await
    }

    /// Ends PostgreSQL: open sessions are cut, and everything committed is on disk.
    pub async fn stop(self) -> Result<(), Error> {
        self.service.stop(STOP).await
    }

    /// Leaves the process running, as a killed owner does.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        std::mem::forget(self.service);
    }
}

/// Stops a server that a killed owner of the directory left running.
pub(super) async fn stop_leftovers(directory: &Directory) -> Result<(), Error> {
    leftover::stop_all(PROGRAM, &directory.path().join(DATA), STOP).await
}

/// Makes the files next to where they belong and renames them, so that a half-made cluster is never
/// taken for a whole one.
async fn create_cluster(programs: &PostgresPrograms, directory: &Directory) -> Result<(), Error> {
    let new = directory.path().join(NEW_DATA);
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &new)(error));
        }
        _ => {}
    }
    // Made by us and given away, because only we can write in the directory around it.
    directory.subdirectory(NEW_DATA)?;
    let mut command = command(&programs.initdb, directory.path());
    command
        .arg("--pgdata")
        .arg(&new)
        .arg("--username")
        .arg(USER)
        .args([
            // Whoever can open the socket is the one user there is. There is no other way in, and would
            // be none if somebody made the server listen.
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
    if directory.is_temporary() {
        // It need not outlive a power cut. What is committed later is synced all the same.
        command.arg("--no-sync");
    }
    directory.account().runs(&mut command);
    let output = command
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("start", &programs.initdb))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(Error::Initdb {
            directory: new,
            output: String::from_utf8_lossy(&said).into_owned(),
        });
    }
    directory.opened().rename(NEW_DATA, DATA)
}

/// We hold the directory's lock and no server works here, so the file is stale. PostgreSQL alone
/// cannot tell when its process id now belongs to another program of the same user.
fn remove_pid_file(data: &Path) -> Result<(), Error> {
    let file = data.join("postmaster.pid");
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", &file)(error))
        }
        _ => Ok(()),
    }
}

fn server_command(programs: &PostgresPrograms, data: &Path, sockets: &Path) -> Command {
    let mut command = command(&programs.postgres, data);
    command.arg("-D").arg(data);
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
    // Room for the working set of a demo on a small machine.
    "shared_buffers=256MB",
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

async fn create_database(maintenance: &PgConnectOptions) -> Result<(), Error> {
    let mut connection: PgConnection = maintenance.connect().await?;
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        sqlx::query("create database splitcart")
            .execute(&mut connection)
            .await?;
    }
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(SERVING_ROLE)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        // Several statements in one message are one transaction.
        let create = format!(
            "create role {SERVING_ROLE} login;
             revoke all on database {DATABASE} from public;
             grant connect on database {DATABASE} to {SERVING_ROLE}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
