//! A set-up of the service that is well in every respect, to be broken in one.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions,
};

use crate::support::{
    Redis,
    server::{SECRET, splitcart},
};

/// A PostgreSQL whose connections no other tests take: their number is looked at.
static POSTGRESQL: LazyLock<(Child, String)> = LazyLock::new(|| {
    let mut child = splitcart("embedded")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    { stdout }.read_line(&mut line).unwrap();
    let urls: Value = serde_json::from_str(&line).unwrap();
    let url = urls["database_url"].as_str().unwrap().to_owned();
    (child, url)
});
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A migrated database with a role that serves it, a Redis for keys, and one for events.
pub(super) struct SetUp {
    /// Of the role that serves.
    pub(super) database_url: String,
    /// Of a superuser.
    pub(super) owner_url: String,
    pub(super) role: String,
    pub(super) keys: Redis,
    pub(super) events: Redis,
    settings: Vec<(String, String)>,
    /// A program that runs the doctor, with its arguments.
    through: Vec<String>,
}

impl SetUp {
    pub(super) async fn new() -> Self {
        Self::on(&POSTGRESQL.1).await
    }

    /// A set-up with a database of its own on this server.
    pub(super) async fn on(server_url: &str) -> Self {
        let name = format!("doctor_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        run_at(server_url, &format!("create database {name}")).await;
        run_at(server_url, &format!("create role {name} login")).await;
        let options = server_url
            .parse::<PgConnectOptions>()
            .unwrap()
            .database(&name);
        let owner_url = options.to_url_lossy().to_string();
        let mut owner = PgConnection::connect(&owner_url).await.unwrap();
        splitcart::db::migrations::migrate(&mut owner)
            .await
            .unwrap();
        splitcart::db::roles::let_serve(&mut owner, &name)
            .await
            .unwrap();
        let (keys, events) = tokio::join!(Redis::start(), Redis::start());
        Self {
            database_url: options.username(&name).to_url_lossy().to_string(),
            owner_url,
            role: name,
            keys,
            events,
            settings: Vec::new(),
            through: Vec::new(),
        }
    }

    /// Changes a setting of the service.
    pub(super) fn set(&mut self, variable: &str, value: &str) {
        self.settings.push((variable.to_owned(), value.to_owned()));
    }

    pub(super) fn run_through(&mut self, program: &[&str]) {
        self.through = program.iter().map(|&word| word.to_owned()).collect();
    }

    /// Runs statements as a superuser.
    pub(super) async fn run(&self, statements: &str) {
        run_at(&self.owner_url, statements).await;
    }

    pub(super) fn command(&self) -> Command {
        let mut command = splitcart("doctor");
        if let [program, arguments @ ..] = self.through.as_slice() {
            let doctor = std::mem::replace(&mut command, Command::new(program));
            command
                .args(arguments)
                .arg(doctor.get_program())
                .args(doctor.get_args());
        }
        command
            .env("SPLITCART_DATABASE_URL", &self.database_url)
            .env("SPLITCART_DATABASE_MIGRATE_ON_START", "false")
            .env("SPLITCART_REDIS_URL", &self.keys.url)
            .env("SPLITCART_OUTBOX_REDIS_URL", &self.events.url)
            .env("SPLITCART_HTTP_ADDR", "127.0.0.1:0")
            .env("SPLITCART_OPS_ADDR", "127.0.0.1:0")
            .env("SPLITCART_AUTH_HS256_SECRET", SECRET)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub(super) async fn examine(&self) -> Report {
        Report::of(self.command()).await
    }
}

async fn run_at(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection
        .execute(AssertSqlSafe(statements.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// The report of one run of `splitcart doctor --json`.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) lines: Vec<Value>,
    status: Option<i32>,
    is_well: bool,
    took: Duration,
}

impl Report {
    pub(super) async fn of(mut command: Command) -> Self {
        command.arg("--json");
        let began = Instant::now();
        let output = run(command).await;
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "", "nothing is printed beside the report");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        Self {
            lines: report["lines"].as_array().unwrap().clone(),
            status: output.status.code(),
            is_well: report["well"].as_bool().unwrap(),
            took,
        }
    }

    fn ids_of(&self, state: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line["state"] == state);
        lines.map(|line| line["id"].as_str().unwrap()).collect()
    }

    /// The first line with this id.
    pub(super) fn line(&self, id: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["id"] == id);
        found.unwrap_or_else(|| panic!("there is no {id}: {:#?}", self.lines))
    }

    pub(super) fn found(&self, id: &str) -> &str {
        self.line(id)["found"].as_str().unwrap()
    }

    /// Everything could be looked at and is well, except that no service runs.
    pub(super) fn assert_well(&self) {
        self.assert_names(&[], &["machine.service"]);
    }

    /// These lines and no others are not well, and each says what to do; the others are well, but for those
    /// that could not be looked at.
    pub(super) fn assert_names(&self, not_well: &[&str], not_seen: &[&str]) {
        assert_eq!(self.ids_of("not_well"), not_well, "{:#?}", self.lines);
        assert_eq!(self.ids_of("not_seen"), not_seen, "{:#?}", self.lines);
        assert_eq!(self.is_well, not_well.is_empty());
        assert_eq!(self.status, Some(i32::from(!self.is_well)));
        for line in &self.lines {
            let says = |field: &str| line[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(says("found"), "{line}");
            assert_eq!(says("what_to_do"), line["state"] == "not_well", "{line}");
        }
    }

    /// Only these lines are not well, whatever could not be looked at because of them.
    pub(super) fn assert_names_only(&self, not_well: &[&str]) {
        let not_seen = self.ids_of("not_seen");
        self.assert_names(not_well, &not_seen);
    }

    pub(super) fn assert_took_less_than(&self, limit: Duration) {
        assert!(self.took < limit, "{:?}", self.took);
    }
}

/// Runs a command without blocking the test's own servers.
pub(super) async fn run(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    running.await.unwrap()
}
