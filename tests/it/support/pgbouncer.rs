//! A real `PgBouncer` in front of the tests' PostgreSQL, which gives each transaction another session.
//!
//! With `TEST_PGBOUNCER=PROGRAM` every server of the tests stands behind one
//! (`scripts/test-estate pgbouncer`).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        LazyLock,
        mpsc::{Receiver, Sender, channel},
    },
};

use sqlx::{
    ConnectOptions, Row,
    postgres::{PgConnectOptions, PgSslMode},
};
use tempfile::TempDir;

use super::{cluster, wait};

const PROGRAM: &str = "TEST_PGBOUNCER";

/// A pooler that ends with its owner.
pub struct PgBouncer {
    directory: TempDir,
    database: PgConnectOptions,
    keeps_statements: bool,
    _lives: Sender<()>,
}

/// What differs between poolers.
#[derive(Clone, Copy)]
pub struct Pool {
    /// The most sessions of a database.
    pub sessions_max: u32,
    /// `max_prepared_statements`, where the program has it.
    pub statements_max: u32,
}

impl PgBouncer {
    /// Starts one in front of a PostgreSQL that listens on a Unix socket.
    pub async fn before(url: &str, pool: Pool) -> Self {
        let pooler = Self::start(url, pool);
        let options = pooler.options();
        wait::until("PgBouncer answers", async || {
            options.connect().await.is_ok()
        })
        .await;
        pooler
    }

    fn start(url: &str, pool: Pool) -> Self {
        let program = program();
        let directory = tempfile::Builder::new()
            .prefix("splitcart-pgbouncer-")
            .tempdir_in("/tmp")
            .unwrap();
        let has_names = version(&program) >= (1, 21);
        let database: PgConnectOptions = url.parse().unwrap();
        let file = directory.path().join("pgbouncer.ini");
        fs::write(
            &file,
            settings(&database, directory.path(), pool, has_names),
        )
        .unwrap();
        let users = r#""splitcart" """#;
        fs::write(directory.path().join("users"), users).unwrap();
        let mut command = command(&program, directory.path());
        command
            .arg("--quiet")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let (lives, end) = channel();
        // The system ends the program with the thread that started it.
        std::thread::spawn(move || run(command, &end));
        Self {
            directory,
            database,
            keeps_statements: has_names && pool.statements_max > 0,
            _lives: lives,
        }
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.directory.path())
            .port(6432)
            .username(self.database.get_username())
            .database(self.database_name())
            .ssl_mode(PgSslMode::Disable)
            .extra_float_digits(None)
    }

    /// The URL for the program, in place of the server's own.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }

    pub fn database_name(&self) -> &str {
        self.database.get_database().expect("a database is named")
    }

    /// The answer of any of its sessions to a statement.
    pub async fn ask(&self, statement: &'static str) -> String {
        let mut connection = self.options().connect().await.unwrap();
        let row = sqlx::raw_sql(statement).fetch_one(&mut connection).await;
        row.unwrap().get(0)
    }

    /// True if prepared statements are found again in another session.
    pub fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// The settings with which a server works behind it.
    pub fn settings(&self) -> [(&'static str, &'static str); 2] {
        let names = if self.keeps_statements {
            "true"
        } else {
            "false"
        };
        [
            ("SPLITCART_DATABASE_POOL_MODE", "transaction"),
            ("SPLITCART_DATABASE_PREPARED_STATEMENTS", names),
        ]
    }
}

fn run(mut command: Command, end: &Receiver<()>) {
    let mut child = command.spawn().unwrap();
    assert!(
        end.recv().is_err(),
        "nothing is sent, and the owner is gone"
    );
    drop(child.kill());
    drop(child.wait());
}

fn program() -> PathBuf {
    let named = env::var_os(PROGRAM).map(PathBuf::from);
    named.unwrap_or_else(|| "/usr/sbin/pgbouncer".into())
}

fn version(program: &Path) -> (u32, u32) {
    let output = Command::new(program).arg("--version").output();
    let output = output.expect("PgBouncer is installed (scripts/install-missing)");
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.split_whitespace().nth(1).unwrap();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn settings(database: &PgConnectOptions, directory: &Path, pool: Pool, has_names: bool) -> String {
    let sockets = database.get_socket().expect("a Unix socket").display();
    let directory = directory.display();
    let Pool {
        sessions_max,
        statements_max,
    } = pool;
    let names = if has_names {
        format!("max_prepared_statements = {statements_max}")
    } else {
        String::new()
    };
    format!(
        "[databases]\n\
         * = host={sockets} port={port}\n\
         [pgbouncer]\n\
         pool_mode = transaction\n\
         listen_addr =\n\
         listen_port = 6432\n\
         unix_socket_dir = {directory}\n\
         auth_type = trust\n\
         auth_file = {directory}/users\n\
         auth_user = splitcart\n\
         max_client_conn = 2000\n\
         default_pool_size = {sessions_max}\n\
         server_idle_timeout = 5\n\
         server_login_retry = 1\n\
         server_tls_sslmode = disable\n\
         logfile = {directory}/log\n\
         {names}\n",
        port = database.get_port(),
    )
}

/// A command of the user who runs PostgreSQL, to whom the directory is given. It ends with the thread that
/// starts it.
pub fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        let chown = Command::new("chown")
            .arg("-R")
            .arg("postgres")
            .arg(directory)
            .status();
        assert!(chown.unwrap().success());
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--clear-groups",
        ]);
    }
    command.arg("--").arg(program);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// The pooler of this run, if its servers stand behind one.
static OF_THE_RUN: LazyLock<Option<PgBouncer>> = LazyLock::new(|| {
    let pool = Pool {
        sessions_max: 40,
        statements_max: 1000,
    };
    env::var_os(PROGRAM).map(|_| PgBouncer::start(cluster::url(), pool))
});

/// The URL and the settings for a server of this database, which stands behind a pooler if this run's do.
pub async fn in_front_of(url: &str) -> (String, Vec<(&'static str, &'static str)>) {
    let Some(pooler) = &*OF_THE_RUN else {
        return (url.to_owned(), Vec::new());
    };
    let cluster: PgConnectOptions = cluster::url().parse().unwrap();
    // A URL with several hosts is none of sqlx's.
    let Ok(options) = url.parse::<PgConnectOptions>() else {
        return (url.to_owned(), Vec::new());
    };
    if options.get_socket() != cluster.get_socket() {
        return (url.to_owned(), Vec::new());
    }
    let through = pooler
        .options()
        .username(options.get_username())
        .database(options.get_database().unwrap());
    wait::until("PgBouncer answers", async || {
        through.connect().await.is_ok()
    })
    .await;
    (
        through.to_url_lossy().to_string(),
        pooler.settings().to_vec(),
    )
}
