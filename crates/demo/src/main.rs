//! `splitcart demo`: a purchase from end to end, over HTTP, on the seeded catalogue, and what becomes of
//! its orders.
//!
//! Everything really happens: the running service freezes the cart, sells it, replays the answer and
//! publishes the event; another buyer takes the stock that runs short; the licence expires in the database.

mod db;
mod receiver;
mod scenes;
mod screen;
mod shop;

use std::{path::Path, process::ExitCode};

use chrono::Utc;
use clap::Args;
use futures_util::FutureExt;
use mimalloc::MiMalloc;
use secrecy::SecretString;

use catalogue::seed::SeedPlan;
use catalogue::{cli::seed, db::bulk};
use splitcart::{
    app::App,
    cli::{
        services::{self, Services, Urls},
        signals,
        tool::{Start, tool_main},
    },
    config::{Config, Services as Configured, Sink, Webhook},
    db::pool,
};

const EXAMPLES: &str = "\
Examples:
  splitcart demo            show a purchase, then leave the server running until Ctrl-C
  splitcart demo --exit     show a purchase, then end
  make demo ARGS=--exit     the same from the source";

/// See a purchase from end to end on a private PostgreSQL and Redis
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// End after the purchase instead of leaving the server running
    #[arg(long)]
    pub exit: bool,
}

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("demo", async |args: DemoArgs, start: Start| {
        Box::pin(run(&args, &start.config, start.data_dir.as_deref())).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The demo's catalogue.
const PLAN: SeedPlan = SeedPlan {
    vendors: 200,
    products: 10_000,
    buyers: 1_000,
    orders: 21,
    seed: 1,
};

/// Starts everything, seeds an empty database, shows the purchase.
///
/// # Errors
/// Something can't be started, or a step of the purchase had another result than it should.
pub async fn run(args: &DemoArgs, config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let stopped = signals::stop_signal()?.shared();
    if matches!(config.services(), Configured::External { .. }) {
        println!("The configured database.url and redis.url are left alone: the demo has its own.");
    }
    let config = &services::for_own_server(config, SecretString::default);
    println!("Starting PostgreSQL and Redis …");
    let mut services = Services::start_private(data_dir).await?;
    let services_dir = services.data_dir();
    let urls = services.urls.clone();
    let result = match services.for_serving(config).await {
        Ok((config, serving)) => tokio::select! {
            result = perform(args, &config, &urls, &serving, stopped) => result,
            failure = services.failure() => Err(failure),
        },
        Err(error) => Err(error),
    };
    services.stop().await?;
    if result.is_ok() && !args.exit {
        screen::farewell(&services_dir);
    }
    result
}

async fn perform(
    args: &DemoArgs,
    config: &Config,
    urls: &Urls,
    serving: &Urls,
    stopped: impl Future<Output = ()> + Clone,
) -> anyhow::Result<()> {
    let app = start(config, serving).await?;
    let shown = tokio::select! {
        shown = show(config, urls, &app, args) => shown,
        () = stopped.clone() => Ok(()),
    };
    if shown.is_ok() && !args.exit {
        stopped.await;
    }
    app.stop().await;
    shown
}

async fn start(config: &Config, urls: &Urls) -> anyhow::Result<App> {
    let mut config = config.clone();
    // The demo receives its webhooks itself.
    config.outbox.webhooks_to_private_addresses = true;
    let name = "webhooks".to_owned();
    config.outbox.sinks.push(Sink::Webhook(Webhook { name }));
    for addr in [&mut config.http.addr, &mut config.ops.addr] {
        // Another server at the address must not spoil the demo.
        if std::net::TcpListener::bind(*addr).is_err() {
            println!("{addr} is taken, using a free port.");
            addr.set_port(0);
        }
    }
    Ok(App::start(&config, &urls.database, &urls.redis).await?)
}

async fn show(config: &Config, urls: &Urls, app: &App, args: &DemoArgs) -> anyhow::Result<()> {
    let mut connection = pool::connect(&urls.database).await?;
    if bulk::has_stores(&mut connection).await? {
        println!("The catalogue is there already.");
    } else {
        let summary = seed::load(&PLAN, Utc::now(), &mut connection, &|_| {}).await?;
        let rows: u64 = summary.tables.iter().map(|table| table.rows).sum();
        println!(
            "Seeded {} vendors, {} products and {} buyers: {rows} rows in {:.1} s.",
            PLAN.vendors,
            PLAN.products,
            PLAN.buyers,
            summary.elapsed.as_secs_f64(),
        );
    }
    let mut scenes = scenes::Scenes::prepare(config, &urls.redis, app, connection).await?;
    scenes.play().await?;
    if args.exit {
        return Ok(());
    }
    scenes.invite().await?;
    println!(
        "\nThe server runs on http://{}; Ctrl-C stops everything.",
        app.http_addr()
    );
    Ok(())
}
