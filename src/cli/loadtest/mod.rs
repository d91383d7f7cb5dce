//! `splitcart loadtest`: drives a running server over HTTP and measures it.
//!
//! It runs in a process of its own and talks to the server as any client does. The database is its
//! own business only before and after: it prepares carts there, and looks up what became of them.

mod buyers;
mod clients;
mod driver;
mod market;
mod options;
mod popularity;
mod prepare;
mod record;
mod report;
mod requests;
mod wire;

use std::{
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use sqlx::PgConnection;

use crate::{
    cli::token,
    config::{Config, Services as Configured},
    db::{
        self,
        loadtest::{Stock, Vendors},
    },
    domain::ids::CartId,
};

use self::{
    driver::Driver,
    options::Length,
    prepare::{Cart, Prepared},
    record::Recorder,
    report::Report,
    requests::{Job, Request, Supply},
};

pub use options::LoadtestArgs;

/// How long tokens are good for: longer than any test.
const TOKEN_GOOD_FOR: Duration = Duration::from_hours(48);

/// What is put into the stock of a product that shall never run short.
const PLENTY: i32 = 1_000_000_000;

/// Runs a test.
///
/// # Errors
/// The options contradict each other, or the machine failed.
pub async fn run(
    args: &LoadtestArgs,
    config: &Config,
    _data_dir: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    args.check()?;
    let Configured::External { database_url, .. } = config.services() else {
        bail!(
            "the load test needs the server's database: set SPLITCART_DATABASE_URL and \
             SPLITCART_REDIS_URL as the server has them"
        );
    };
    let url = args
        .url
        .clone()
        .unwrap_or_else(|| format!("http://{}", config.http.addr));
    let (host, address) = resolve(&url).await?;
    let mut connection = db::pool::connect(&database_url).await?;
    let prepared = prepare(args, &mut connection).await?;
    let jobs = jobs(config, &host, &prepared.carts)?;
    let before = stock(&mut connection, &prepared).await?;

    let count = match args.length() {
        Length::Count(count) => u64::from(count),
        Length::Time(_) => u64::MAX,
    };
    let begin = Instant::now() + args.warmup();
    let end = match args.length() {
        Length::Time(time) => Some(begin + time),
        Length::Count(_) => None,
    };
    let recorder = Recorder::between(begin, end);
    let driver = Rc::new(Driver::new(
        address,
        Supply::of(jobs, count),
        recorder,
        args.seed,
    ));
    let cpu_before = report::cpu_spent();
    clients::run(&driver, args.clients, end).await;
    driver.recorder.borrow_mut().finish(Instant::now());
    let cpu = report::cpu_spent().saturating_sub(cpu_before);

    let after = stock(&mut connection, &prepared).await?;
    let carts: Vec<CartId> = prepared.carts.iter().map(|cart| cart.id).collect();
    let bought = db::loadtest::count_bought(&mut connection, &carts).await?;
    let report = Report::of(&driver.recorder.borrow(), before, after, bought, cpu);
    report.print();
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    Ok(if report.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn prepare(args: &LoadtestArgs, connection: &mut PgConnection) -> anyhow::Result<Prepared> {
    let started = Instant::now();
    let prepared = prepare::draw_carts(
        connection,
        args.shape(),
        Vendors::MaySell,
        args.carts(),
        args.seed,
    )
    .await?;
    let added = prepare::add_buyers(connection, &prepared.carts).await?;
    let stock = args.stock.unwrap_or(PLENTY);
    db::loadtest::restock(connection, &prepared.spread, stock).await?;
    let hot_stock = args.hot_stock.unwrap_or(stock);
    db::loadtest::restock(connection, &prepared.hot, hot_stock).await?;
    prepare::write_carts(connection, &prepared.carts, &|_| {}).await?;
    db::loadtest::settle(connection).await?;
    eprintln!(
        "prepared {} carts ({added} new buyers) in {:.1} s",
        prepared.carts.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(prepared)
}

fn jobs(config: &Config, host: &str, carts: &[Cart]) -> anyhow::Result<Vec<Job>> {
    let job = |cart: &Cart| {
        let (user, store) = (cart.buyer.user_id.uuid(), cart.buyer.store_id.uuid());
        let token = token::issue(config, user, store, TOKEN_GOOD_FOR)?;
        let id = cart.id.uuid();
        Ok(Job::CheckOut(Request::check_out(host, &token, id), id))
    };
    carts.iter().map(job).collect()
}

async fn stock(
    connection: &mut PgConnection,
    prepared: &Prepared,
) -> anyhow::Result<(Stock, Stock)> {
    let spread = db::loadtest::stock_of(connection, &prepared.spread).await?;
    let hot = db::loadtest::stock_of(connection, &prepared.hot).await?;
    Ok((spread, hot))
}

/// The host for the head of requests, and where to connect.
async fn resolve(url: &str) -> anyhow::Result<(String, SocketAddr)> {
    let host = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty() && !host.contains('/'))
        .with_context(|| format!("{url} is no URL such as http://127.0.0.1:8080"))?;
    let with_port = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:80"),
    };
    let address = tokio::net::lookup_host(&with_port)
        .await
        .with_context(|| format!("can't find {host}"))?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    Ok((host.to_owned(), address))
}
