//! A server of the test's own: a temporary PostgreSQL and Redis, a seeded catalogue, and `splitcart
//! serve` as a process beside us, as it would run anywhere.

use std::{
    ffi::OsStr,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use tokio::process::{Child, Command};

use catalogue::{cli::seed, db::bulk, seed::SeedPlan};
use splitcart::{
    cli::{token, tool::program_beside},
    config::{Config, TokenKeys},
    db,
};

use private_servers::{DataDir, EmbeddedServices, Options, SERVING_ROLE};

use super::{endpoint::Endpoint, place::Place};

/// How long the server may take to be ready.
const READY_WAIT_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it may take to end beyond its own drain.
const END_WAIT: Duration = Duration::from_secs(10);
/// A line per request is no part of what is measured, unless it is asked for.
const LOG_FILTER: &str = "warn,actix_http=off,sqlx_postgres::options=off";

/// The settings for a server that only we speak to: plainly, and with a secret that nobody else knows
/// where there is none of the user's own.
pub fn for_ourselves(config: &Config) -> Config {
    let mut config = config.clone();
    let has_own_secret = matches!(config.auth.token_keys(), TokenKeys::Secret(_));
    if !has_own_secret || !config.auth.has_keys() {
        config.auth.trust_only(token::fresh_secret());
    }
    config.http.speak_plainly();
    config
}

/// Settings of a user's own server that [`for_ourselves`] has put aside.
const NOT_OF_USE: [&str; 7] = [
    "SPLITCART_DATABASE_URL_FILE",
    "SPLITCART_REDIS_URL_FILE",
    "SPLITCART_AUTH_HS256_SECRET_FILE",
    "SPLITCART_AUTH_PUBLIC_KEY_FILE",
    "SPLITCART_AUTH_JWKS_FILE",
    "SPLITCART_HTTP_TLS_CERT_FILE",
    "SPLITCART_HTTP_TLS_KEY_FILE",
];

/// See the module. Stop it: dropped, it kills the server and leaves the rest to its owner's drop.
#[derive(Debug)]
pub struct Private {
    services: EmbeddedServices,
    server: Child,
    http: SocketAddr,
    ops: SocketAddr,
    end_wait: Duration,
}

impl Private {
    /// Starts everything and returns when the server is ready. The settings of the environment and
    /// of the file are the server's, but for its addresses and services.
    ///
    /// # Errors
    /// Something can't be started.
    pub async fn start(
        config: &Config,
        config_file: Option<&Path>,
        data_dir: Option<&Path>,
        plan: SeedPlan,
    ) -> anyhow::Result<Self> {
        let data_dir = data_dir.map_or(DataDir::Temporary, |dir| DataDir::Explicit(dir.to_owned()));
        let services = EmbeddedServices::start(Options { data_dir }).await?;
        match Self::serve(config, config_file, &services, plan).await {
            Ok((server, http, ops)) => Ok(Self {
                services,
                server,
                http,
                ops,
                end_wait: Duration::from_secs(config.http.drain_s_max) + END_WAIT,
            }),
            Err(error) => {
                services.stop().await?;
                Err(error)
            }
        }
    }

    async fn serve(
        config: &Config,
        config_file: Option<&Path>,
        services: &EmbeddedServices,
        plan: SeedPlan,
    ) -> anyhow::Result<(Child, SocketAddr, SocketAddr)> {
        let mut connection = db::pool::connect(&services.database_url().into()).await?;
        db::migrations::migrate(&mut connection).await?;
        if !bulk::has_stores(&mut connection).await? {
            seed::load(&plan, Utc::now(), &mut connection, &|_| {}).await?;
        }
        db::roles::let_serve(&mut connection, SERVING_ROLE).await?;
        let [http, ops] = free_addresses().context("there is no free port")?;
        let mut command = Command::new(program_beside("splitcart")?);
        if let Some(file) = config_file {
            command.arg("--config").arg(file);
        }
        command
            .arg("serve")
            .env("SPLITCART_DATABASE_URL", services.serving_url())
            .env("SPLITCART_DATABASE_MIGRATE_ON_START", "false")
            .env("SPLITCART_REDIS_URL", services.redis_url())
            .env("SPLITCART_HTTP_ADDR", http.to_string())
            .env("SPLITCART_OPS_ADDR", ops.to_string())
            .env(
                "SPLITCART_AUTH_HS256_SECRET",
                config.auth.hs256_secret.expose_secret(),
            )
            // What is measured is the work, not how it is refused; and one machine sends all of it.
            .env("SPLITCART_RATE_LIMIT", "off")
            .envs(NOT_OF_USE.map(|name| (name, "")))
            .stdin(std::process::Stdio::null())
            // Ctrl-C is for us: the server is stopped when nobody needs it any more.
            .process_group(0)
            .kill_on_drop(true);
        if config.log.filter.is_empty() {
            command.env("SPLITCART_LOG_FILTER", OsStr::new(LOG_FILTER));
        }
        let mut server = command.spawn().context("can't start the server")?;
        until_ready(&mut server, ops).await?;
        Ok((server, http, ops))
    }

    /// Where everything is.
    pub fn place(&self) -> Place {
        Place {
            database: self.services.database_url().into(),
            http: Endpoint::plain(self.http),
            ops: self.ops,
        }
    }

    /// Resolves when something has ended by itself.
    pub async fn failure(&mut self) -> anyhow::Error {
        tokio::select! {
            error = self.services.wait_for_failure() => error.into(),
            status = self.server.wait() => match status {
                Ok(status) => anyhow::anyhow!("the server has ended by itself: {status}"),
                Err(error) => error.into(),
            },
        }
    }

    /// Stops the server, then what it needed.
    ///
    /// # Errors
    /// One of them did not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let ended = self.stop_server().await;
        self.services.stop().await?;
        ended
    }

    async fn stop_server(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.server.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended just now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let Ok(status) = tokio::time::timeout(self.end_wait, self.server.wait()).await else {
            self.server.kill().await?;
            bail!(
                "the server did not end within {:?} and was killed",
                self.end_wait
            );
        };
        let status = status?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// Two different ones. Somebody else may take one before the server does; then it says so and ends.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (listen()?, listen()?);
    Ok([one.local_addr()?, other.local_addr()?])
}

async fn until_ready(server: &mut Child, ops: SocketAddr) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let url = format!("http://{ops}/readyz");
    let ready = async {
        loop {
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        ready = tokio::time::timeout(READY_WAIT_MAX, ready) => {
            ready.context("the server was not ready in a minute")
        }
        status = server.wait() => bail!("the server did not start: {}", status?),
    }
}
