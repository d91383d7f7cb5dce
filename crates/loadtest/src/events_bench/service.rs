//! The service with its sinks, and the programs that run beside it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, ensure};
use catalogue::{cli::seed, seed::SeedPlan};
use chrono::{DateTime, Utc};
use private_servers::{DataDir, EmbeddedServices, Memory};
use splitcart::{cli::tool::program_beside, db};
use tokio::process::{Child, Command};

use crate::{bench::server::SECRET, server_process};

use super::{brokers::Broker, options::Options};

const PLAN: SeedPlan = SeedPlan {
    vendors: 200,
    products: 10_000,
    buyers: 1,
    orders: 0,
    seed: 1,
};

/// Dropped, it ends.
pub struct Service {
    pub services: EmbeddedServices,
    server: Child,
    pub ops: SocketAddr,
    http: SocketAddr,
    config: PathBuf,
    logs: PathBuf,
}

impl Service {
    /// Starts it with the sinks of these brokers, and with some settings changed.
    pub async fn start_with(
        brokers: &[Broker],
        logs: &Path,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let options = private_servers::Options {
            data_dir: DataDir::Temporary,
            memory: Memory::Little,
        };
        let services = EmbeddedServices::start(options).await?;
        let mut connection = db::pool::connect(&services.database_url().into()).await?;
        db::migrations::migrate(&mut connection).await?;
        seed::load(&PLAN, Utc::now(), &mut connection, &|_| {}).await?;
        let config = logs.join("config.toml");
        let tables: String = brokers.iter().map(Broker::table).collect();
        std::fs::write(&config, tables)?;
        let [http, ops] = server_process::free_addresses()?;
        let log = std::fs::File::create(logs.join("server.log"))?;
        let mut command = program(&services, "splitcart", &config, [http, ops])?;
        let server = command
            .arg("serve")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut server = server.context("can't start the server")?;
        server_process::until_ready(&mut server, ops).await?;
        Ok(Self {
            services,
            server,
            ops,
            http,
            config,
            logs: logs.to_owned(),
        })
    }

    /// Checks out, and moves what was bought, so that aggregates have several events.
    pub async fn drive(&self, options: &Options) -> anyhow::Result<()> {
        let log = std::fs::File::create(self.logs.join("load.log"))?;
        let mut command = self.program("splitcart-loadtest")?;
        command
            .args(["--url", &format!("http://{}", self.http)])
            .args(["--mode", "lifecycle"])
            .args(["--count", &options.count.to_string()])
            .args(["--clients", &options.clients.to_string()])
            .args(["--retry-refused", "jitter"])
            .stdout(log.try_clone()?)
            .stderr(log);
        self.until_loaded(command).await
    }

    /// Checks out at a rate.
    pub async fn check_out(&self, per_s: u32, duration: Duration) -> anyhow::Result<()> {
        let log = std::fs::File::create(self.logs.join("load.log"))?;
        let mut command = self.program("splitcart-loadtest")?;
        command
            .args(["--url", &format!("http://{}", self.http)])
            .args(["--rate", &per_s.to_string()])
            .args(["--duration", &duration.as_secs().to_string()])
            .stdout(log.try_clone()?)
            .stderr(log);
        self.until_loaded(command).await
    }

    async fn until_loaded(&self, mut command: Command) -> anyhow::Result<()> {
        let status = command.status().await?;
        ensure!(
            status.success(),
            "the load was not sound: {}",
            std::fs::read_to_string(self.logs.join("load.log")).unwrap_or_default()
        );
        Ok(())
    }

    /// Publishes what a sink has lost once more.
    pub async fn republish(&self, sink: &str, from: DateTime<Utc>) -> anyhow::Result<()> {
        let mut command = self.program("splitcart")?;
        command
            .args(["outbox", "republish", "--from", &from.to_rfc3339()])
            .args(["--sink", sink]);
        let output = command.output().await?;
        ensure!(
            output.status.success(),
            "splitcart outbox republish failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn program(&self, name: &str) -> anyhow::Result<Command> {
        program(&self.services, name, &self.config, [self.http, self.ops])
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        let ended = server_process::end(&mut self.server, Duration::from_secs(40)).await;
        self.services.stop().await?;
        ended
    }
}

/// A program of ours with the settings of the service.
fn program(
    services: &EmbeddedServices,
    name: &str,
    config: &Path,
    [http, ops]: [SocketAddr; 2],
) -> anyhow::Result<Command> {
    let mut command = crate::bench::child::command(program_beside(name)?);
    command
        .arg("--config")
        .arg(config)
        .env("SPLITCART_DATABASE_URL", services.database_url())
        .env("SPLITCART_REDIS_URL", services.redis_url())
        .env(SECRET.0, SECRET.1)
        .env("SPLITCART_HTTP_ADDR", http.to_string())
        .env("SPLITCART_OPS_ADDR", ops.to_string())
        .env("SPLITCART_RATE_LIMIT", "off")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}
