//! A private PostgreSQL and Redis with one catalogue, on which all of its measurements run in turn.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Context;
use catalogue::{cli::seed, seed::SeedPlan};
use chrono::Utc;
use private_servers::{DataDir, EmbeddedServices, Memory, Options};
use splitcart::db;
use sqlx::PgConnection;
use tempfile::TempDir;

use crate::{
    bench::server::Server,
    compare::{history, options::Times, ours, steps::Step},
    db::{compare::an_answer, past, unpublished},
};

/// Earlier checkouts in the database; also the first estimate of this machine's rate.
pub const PAST: u32 = 2000;
const PUBLISHED_WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// See the module. Dropped, it stops as by a crash and removes its files.
pub struct Cluster {
    services: EmbeddedServices,
    connection: PgConnection,
    /// Logs.
    files: TempDir,
    plan: SeedPlan,
    /// The rate that the server has reached once.
    answer: String,
    /// The greatest rate of each step so far.
    rates: BTreeMap<Step, f64>,
    /// The rate of the earlier checkouts.
    first_rate: f64,
}

impl Cluster {
    /// Starts a fresh cluster and fills it with a catalogue and earlier checkouts.
    pub async fn open(plan: SeedPlan) -> anyhow::Result<Self> {
        let options = Options {
            data_dir: DataDir::Temporary,
            memory: Memory::ByTheMachine,
        };
        let services = EmbeddedServices::start(options).await?;
        let mut connection = history::connect(&services).await?;
        db::migrations::migrate(&mut connection).await?;
        seed::load(&plan, Utc::now(), &mut connection, &|_| {}).await?;
        history::prepare(&mut connection, plan.seed).await?;
        let mut cluster = Self {
            services,
            connection,
            files: tempfile::tempdir()?,
            plan,
            answer: String::new(),
            rates: BTreeMap::new(),
            first_rate: 0.0,
        };
        cluster.have_a_past().await?;
        Ok(cluster)
    }

    async fn have_a_past(&mut self) -> anyhow::Result<()> {
        let server = self.start_server(&[]).await?;
        self.first_rate = ours::buy(&server, PAST).await?;
        self.until_published().await?;
        server.stop().await?;
        self.answer = an_answer(&mut self.connection).await?;
        past::keep(&mut self.connection).await
    }

    async fn until_published(&mut self) -> anyhow::Result<()> {
        let published = async {
            while unpublished(&mut self.connection).await? > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        tokio::time::timeout(PUBLISHED_WAIT_MAX, published)
            .await
            .context("events were not published")?
    }

    /// A server on a database and a Redis that are as they were before every other measurement.
    pub async fn serve(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
        past::restore(&mut self.connection, &["textbook_carts"]).await?;
        let redis = redis::Client::open(self.services.redis_url())?;
        let mut redis = redis.get_multiplexed_async_connection().await?;
        redis::cmd("FLUSHALL").exec_async(&mut redis).await?;
        self.start_server(settings).await
    }

    async fn start_server(&self, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
        Server::start(&self.services, settings, &self.files().join("server.log")).await
    }

    /// The number of carts that a step needs even if the machine is much quicker than so far. Without carts
    /// the load test ends early, and pgbench fails.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no machine buys four thousand million carts"
    )]
    pub fn carts_for(&self, step: Step, times: Times) -> u32 {
        let margin = if step.is_textbook() { 3.0 } else { 2.0 };
        let unknown = match step.clients() {
            1 => self.first_rate / 3.0,
            _ => self.first_rate,
        };
        let rate = self.rates.get(&step).copied().unwrap_or(unknown);
        let carts = margin * rate * f64::from(times.all_seconds());
        carts.ceil() as u32 + step.clients()
    }

    /// Remembers what a step has reached.
    pub fn has_reached(&mut self, step: Step, rate: f64) {
        let greatest = self.rates.entry(step).or_insert(rate);
        *greatest = greatest.max(rate);
    }

    /// The connection for the time between measurements.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// The directory of logs.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// The rate that the server has reached once.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// The catalogue.
    pub fn plan(&self) -> SeedPlan {
        self.plan
    }

    /// The services themselves.
    pub fn services(&self) -> &EmbeddedServices {
        &self.services
    }

    /// Ends everything; all files are gone afterwards.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.connection);
        Ok(self.services.stop().await?)
    }
}
