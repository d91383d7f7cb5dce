//! `splitcart serve` as a process of its own, with its defaults but for what a measurement changes.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use nix::unistd::Pid;
use private_servers::EmbeddedServices;
use splitcart::cli::tool::program_beside;
use tokio::process::{Child, Command};

use super::child;
use crate::server_process;

/// The secret that signs tokens, and the variable by which a program gets it.
pub const SECRET: (&str, &str) = (
    "SPLITCART_AUTH_HS256_SECRET",
    "a-secret-that-only-the-benchmarks-know-0123456789",
);
const END_WAIT_MAX: Duration = Duration::from_secs(40);

/// The program and settings of a server.
#[derive(Clone, Debug)]
pub struct Start {
    pub program: PathBuf,
    /// A program with its options that starts it; empty for none.
    pub through: Vec<String>,
    pub database_url: String,
    pub redis_url: String,
    /// Environment variables beside them.
    pub settings: Vec<(String, String)>,
}

/// The addresses of a server, with the settings of its start.
#[derive(Clone, Debug)]
struct Place {
    http: SocketAddr,
    ops: SocketAddr,
    start: Start,
}

impl Place {
    /// The program under test, with this server's settings.
    fn command(&self, through: &[String]) -> Command {
        let mut command = match through {
            [] => child::command(&self.start.program),
            [first, rest @ ..] => {
                let mut command = child::command(first);
                command.args(rest).arg(&self.start.program);
                command
            }
        };
        command
            .env("SPLITCART_DATABASE_URL", &self.start.database_url)
            .env("SPLITCART_REDIS_URL", &self.start.redis_url)
            .env(SECRET.0, SECRET.1)
            .env("SPLITCART_HTTP_ADDR", self.http.to_string())
            .env("SPLITCART_OPS_ADDR", self.ops.to_string());
        command
    }
}

/// Dropped, it kills the process.
#[derive(Debug)]
pub struct Server {
    process: Child,
    place: Place,
}

impl Server {
    /// Starts the program beside this one. Returns when it is ready. It logs as in production,
    /// into a file: that is part of the work.
    pub async fn start(
        services: &EmbeddedServices,
        settings: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let setting = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let start = Start {
            program: program_beside("splitcart")?,
            through: Vec::new(),
            database_url: services.database_url().to_owned(),
            redis_url: services.redis_url().to_owned(),
            settings: settings.iter().map(setting).collect(),
        };
        let output = File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        let server = Self::start_with(start, output.into()).await;
        server.map_err(|error| {
            let log = fs::read_to_string(log).unwrap_or_default();
            error.context(format!("its log:\n{log}"))
        })
    }

    /// Starts a build of the server, with its log written to `log`.
    pub async fn start_with(start: Start, log: Stdio) -> anyhow::Result<Self> {
        let [http, ops] = server_process::free_addresses()?;
        let place = Place { http, ops, start };
        let mut command = place.command(&place.start.through);
        command
            .arg("serve")
            // All requests come from one address.
            .env("SPLITCART_RATE_LIMIT", "off")
            .envs(place.start.settings.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log);
        let process = command.spawn().context("can't start the server")?;
        let mut server = Self { process, place };
        server_process::until_ready(&mut server.process, server.place.ops).await?;
        Ok(server)
    }

    /// The program under test, with this server's addresses and services.
    pub fn command(&self) -> Command {
        self.place.command(&[])
    }

    /// The public listener.
    pub fn http(&self) -> SocketAddr {
        self.place.http
    }

    /// The private listener.
    pub fn ops(&self) -> SocketAddr {
        self.place.ops
    }

    /// The process; none once it has been seen to end.
    pub fn pid(&self) -> Option<Pid> {
        server_process::pid(&self.process)
    }

    /// The value of one of the server's metrics without labels.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = reqwest::get(format!("http://{}/metrics", self.place.ops))
            .await?
            .error_for_status()?
            .text()
            .await?;
        let named = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines()
            .find_map(named)
            .with_context(|| format!("the server has no metric {name}"))
    }

    /// The peak of the server's memory, in MB; none where the system does not report it.
    pub fn most_memory_mb(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024.0 / 1e6)
    }

    /// Lets the server finish what it has accepted.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        server_process::end(&mut self.process, END_WAIT_MAX).await
    }
}
