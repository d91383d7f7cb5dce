//! A private server: a temporary PostgreSQL and Redis, a seeded catalogue, and `splitcart
//! serve` as a child process, as it would run anywhere.

use std::{ffi::OsStr, net::SocketAddr, path::Path, time::Duration};

use anyhow::Context;
use chrono::Utc;
use secrecy::ExposeSecret;
use tokio::process::{Child, Command};

use catalogue::{cli::seed, db::bulk, seed::SeedPlan};
use splitcart::{cli::tool::program_beside, config::Config, db};

use private_servers::{DataDir, EmbeddedServices, Memory, Options, SERVING_ROLE};

use super::{endpoint::Endpoint, place::Place, server_process};

/// The time that the server gets to end beyond its own drain.
const END_WAIT: Duration = Duration::from_secs(10);
/// A line per request is no part of what is measured, unless it is asked for.
const LOG_FILTER: &str = "warn,actix_http=off,sqlx_postgres::options=off";

/// Settings of a user's own server that `services::for_own_server` replaces.
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
        let memory = Memory::ByTheMachine;
        let services = EmbeddedServices::start(Options { data_dir, memory }).await?;
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
        let [http, ops] = server_process::free_addresses()?;
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
            // The work is measured, not its refusal; and one machine sends all requests.
            .env("SPLITCART_RATE_LIMIT", "off")
            .envs(NOT_OF_USE.map(|name| (name, "")))
            .stdin(std::process::Stdio::null())
            // Ctrl-C is for this process: the server is stopped when it is not needed any more.
            .process_group(0)
            .kill_on_drop(true);
        if config.log.filter.is_empty() {
            command.env("SPLITCART_LOG_FILTER", OsStr::new(LOG_FILTER));
        }
        let mut server = command.spawn().context("can't start the server")?;
        server_process::until_ready(&mut server, ops).await?;
        Ok((server, http, ops))
    }

    /// The listeners and the database.
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
        let ended = server_process::end(&mut self.server, self.end_wait).await;
        self.services.stop().await?;
        ended
    }
}
