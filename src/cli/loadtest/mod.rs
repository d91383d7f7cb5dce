//! `splitcart loadtest`: drives a running server over HTTP and measures it.
//!
//! It runs in a process of its own and talks to the server as any client does. The database is its
//! business only before and after: it prepares carts there, and looks up what became of them.
//!
//! | step | files |
//! |---|---|
//! | what is asked for | `options`, `checks` |
//! | who buys what | `market`, `popularity`, `buyers`, `carts` (pure) |
//! | getting ready | `prepare`, `freeze`, `private` |
//! | the load | `run`, `clients` (closed), `arrivals`, `schedule`, `alarm` (open) |
//! | one request | `driver`, `requests`, `wire`, `answers` |
//! | what came of it | `record`, `batches`, `report`, `verdict`, `table`, `plot` |

mod alarm;
mod answers;
mod arrivals;
mod batches;
mod buyers;
mod carts;
mod checks;
mod clients;
mod driver;
mod freeze;
mod market;
mod options;
mod plot;
mod popularity;
mod prepare;
mod private;
mod record;
mod report;
mod requests;
mod run;
mod schedule;
mod screen;
mod table;
mod verdict;
mod wire;

use std::{
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use futures_util::FutureExt;
use secrecy::SecretString;
use sqlx::PgConnection;
use tokio::net::TcpStream;

use crate::{
    config::{Config, Services as Configured},
    db::{
        self,
        loadtest::{Bought, Stock, Vendors},
    },
    domain::ids::CartId,
    seed::SeedPlan,
};

use super::{
    audit::{AuditArgs, Report as Audit, audit},
    serve, token,
};

use self::{
    carts::Cart,
    driver::{Driver, Manners},
    options::{Length, Mode, Prepare},
    prepare::{PLENTY, Prepared},
    private::Private,
    record::Recorder,
    report::{Report, Sold, Stocks},
    requests::{Job, Request, Supply},
    run::Times,
    screen::Screen,
};

pub use options::LoadtestArgs;

/// How long tokens are good for: longer than any test.
const TOKEN_GOOD_FOR: Duration = Duration::from_hours(48);
/// How long the relay may be behind when the audit looks.
const UNPUBLISHED_S_MAX: u32 = 60;

/// Where everything is.
struct Place {
    database: SecretString,
    /// The host in the heads of requests.
    host: String,
    http: SocketAddr,
    ops: SocketAddr,
}

/// Runs a test; the status says whether it was sound.
///
/// # Errors
/// The options contradict each other, something can't be started, or the machine failed.
pub async fn run(
    args: &LoadtestArgs,
    config: &Config,
    config_file: Option<&Path>,
    data_dir: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    checks::check(args)?;
    let told_to_stop = serve::stop_signal()?.shared();
    if !args.place.private {
        let place = running(args, config).await?;
        return test(args, config, &place, told_to_stop).await;
    }
    let config = &private::with_a_secret(config);
    let plan = SeedPlan {
        vendors: args.place.seed_vendors,
        products: args.place.seed_products,
        buyers: 1,
        seed: args.cart.seed,
    };
    eprintln!("starting PostgreSQL, Redis and the server …");
    let starting = Private::start(config, config_file, data_dir, plan);
    let mut private = tokio::select! {
        private = starting => private?,
        () = told_to_stop.clone() => bail!("stopped by a signal"),
    };
    let place = Place {
        database: private.database_url(),
        host: private.http.to_string(),
        http: private.http,
        ops: private.ops,
    };
    let result = tokio::select! {
        result = test(args, config, &place, told_to_stop) => result,
        failure = private.failure() => Err(failure),
    };
    private.stop().await?;
    result
}

/// A server that runs already, with the database that is configured for it.
async fn running(args: &LoadtestArgs, config: &Config) -> anyhow::Result<Place> {
    let Configured::External { database_url, .. } = config.services() else {
        bail!(
            "the test prepares carts in the server's database, and none is configured: set \
             SPLITCART_DATABASE_URL and SPLITCART_REDIS_URL as they are for the server, or let \
             --private start everything"
        );
    };
    let url = args
        .place
        .url
        .clone()
        .unwrap_or_else(|| format!("http://{}", config.http.addr));
    let (host, http) = resolve(&url).await?;
    Ok(Place {
        database: database_url,
        host,
        http,
        ops: config.ops.addr,
    })
}

/// The host for the heads of requests, and where to connect.
async fn resolve(url: &str) -> anyhow::Result<(String, SocketAddr)> {
    let host = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty() && !host.contains('/'))
        .with_context(|| format!("--url {url} is not such as http://127.0.0.1:8080"))?;
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

async fn test(
    args: &LoadtestArgs,
    config: &Config,
    place: &Place,
    told_to_stop: impl Future<Output = ()> + Clone,
) -> anyhow::Result<ExitCode> {
    TcpStream::connect(place.http).await.with_context(|| {
        format!(
            "no server listens on {}; start one, or use --private",
            place.http
        )
    })?;
    let screen = Screen::on_stderr();
    let mut connection = db::pool::connect(&place.database).await?;
    let preparing = get_ready(args, config, place, &mut connection, &screen);
    let (prepared, jobs) = tokio::select! {
        ready = preparing => ready?,
        () = told_to_stop.clone() => bail!("stopped by a signal"),
    };
    let before = stock(&mut connection, &prepared).await?;
    let times = times(args);
    let driver = Rc::new(Driver::new(
        place.http,
        Manners {
            timeout: args.load.timeout,
            replay_share: args.load.retries,
            retry_refused: args.load.retry_refused,
            seed: args.cart.seed,
        },
        Supply::of(jobs, count(args)),
        Recorder::between(times.begin, times.end),
    ));
    let arrivals = args.arrivals();
    let ended = run::run(&driver, arrivals, times, place.ops, &screen, told_to_stop).await?;
    screen.say("looking what became of it …".to_owned());

    let after = stock(&mut connection, &prepared).await?;
    let bought = bought(args, &mut connection, &prepared, &driver).await?;
    let audit = audit_at_the_end(config, &mut connection, &screen).await?;
    screen.close();
    let stocks = Stocks {
        spread: Sold::between(prepared.spread.len(), before.0, after.0),
        hot: Sold::between(prepared.hot.len(), before.1, after.1),
    };
    let recorder = driver.recorder.borrow();
    let mut report = Report::of(args, &recorder, &ended, bought, stocks, audit.to_json());
    let findings = audit.findings().map(|finding| {
        let (rule, count) = (finding.rule, finding.broken.count);
        format!(
            "the audit finds `{}` ({}) broken {count} times",
            rule.code, rule.sentence
        )
    });
    verdict::judge(&mut report, args.load.mode, &recorder, &ended, findings);
    publish(args, &report)?;
    Ok(if report.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Makes the carts and their buyers, and the requests.
async fn get_ready(
    args: &LoadtestArgs,
    config: &Config,
    place: &Place,
    connection: &mut PgConnection,
    screen: &Screen,
) -> anyhow::Result<(Prepared, Vec<Job>)> {
    let started = Instant::now();
    let vendors = if args.cart.any_vendor {
        Vendors::Any
    } else {
        Vendors::MaySell
    };
    let (count, seed) = (args.carts(), args.cart.seed);
    let drawn = prepare::draw_carts(connection, args.shape(), vendors, count, seed);
    let mut prepared = drawn.await?;
    prepare::ready_buyers(connection, &prepared.carts, screen).await?;
    // A cart that asks for more than there is can't be frozen: what is to run short does so later.
    prepare::restock(connection, &prepared, PLENTY, PLENTY).await?;
    let tokens = prepared
        .carts
        .iter()
        .map(|cart| token_for(config, cart))
        .collect::<anyhow::Result<Vec<_>>>()?;
    match args.prepare() {
        Some(Prepare::Db) => prepare::write_carts(connection, &prepared.carts, screen).await?,
        Some(Prepare::Api) => {
            let carts = prepared.carts.iter().zip(&tokens);
            let puts = carts.map(|(cart, token)| Request::put_cart(&place.host, token, cart));
            let ids = freeze::freeze(place.http, puts.collect(), screen).await?;
            for (cart, id) in prepared.carts.iter_mut().zip(ids) {
                cart.id = id;
            }
        }
        None => {}
    }
    let spread = args.cart.stock.unwrap_or(PLENTY);
    let hot = args.cart.hot_stock.unwrap_or(spread);
    prepare::restock(connection, &prepared, spread, hot).await?;
    db::loadtest::settle(connection).await?;
    screen.say(format!(
        "{} carts are ready after {:.1} s",
        prepared.carts.len(),
        started.elapsed().as_secs_f64()
    ));
    let jobs = prepared
        .carts
        .iter()
        .zip(&tokens)
        .map(|(cart, token)| job(args.load.mode, &place.host, token, cart));
    let jobs = jobs.collect();
    Ok((prepared, jobs))
}

fn token_for(config: &Config, cart: &Cart) -> anyhow::Result<String> {
    let (user, store) = (cart.buyer.user_id.uuid(), cart.buyer.store_id.uuid());
    Ok(token::issue(config, user, store, TOKEN_GOOD_FOR)?)
}

fn job(mode: Mode, host: &str, token: &str, cart: &Cart) -> Job {
    match mode {
        Mode::Checkout => Job::CheckOut(Request::check_out(host, token, cart.id)),
        Mode::CartPut => Job::PutCart(Request::put_cart(host, token, cart)),
        Mode::CartGet => Job::GetCart(Request::get_cart(host, token)),
        Mode::Purchase => Job::Purchase {
            put: Request::put_cart(host, token, cart),
            check_out: Request::check_out(host, token, cart.id),
        },
    }
}

fn times(args: &LoadtestArgs) -> Times {
    let start = Instant::now();
    let begin = start + args.warmup();
    let end = match args.length() {
        Length::Time(time) => Some(begin + time),
        Length::Count(_) => None,
    };
    Times { start, begin, end }
}

fn count(args: &LoadtestArgs) -> u64 {
    match args.length() {
        Length::Time(_) => u64::MAX,
        Length::Count(count) => count.into(),
    }
}

/// Of the products that are not hot, and of those that are.
async fn stock(
    connection: &mut PgConnection,
    prepared: &Prepared,
) -> anyhow::Result<(Stock, Stock)> {
    let spread = db::loadtest::stock_of(connection, &prepared.spread).await?;
    let hot = db::loadtest::stock_of(connection, &prepared.hot).await?;
    Ok((spread, hot))
}

/// What was bought from the carts of this test.
async fn bought(
    args: &LoadtestArgs,
    connection: &mut PgConnection,
    prepared: &Prepared,
    driver: &Driver,
) -> anyhow::Result<Bought> {
    let carts: Vec<CartId> = match args.load.mode {
        Mode::Checkout => prepared.carts.iter().map(|cart| cart.id).collect(),
        Mode::Purchase => driver.frozen.borrow().clone(),
        Mode::CartPut | Mode::CartGet => Vec::new(),
    };
    Ok(db::loadtest::count_bought(connection, &carts).await?)
}

async fn audit_at_the_end(
    config: &Config,
    connection: &mut PgConnection,
    screen: &Screen,
) -> anyhow::Result<Audit> {
    let args = AuditArgs {
        json: false,
        unpublished_s_max: UNPUBLISHED_S_MAX,
        examples: 3,
    };
    let checking = |progress: super::audit::Progress| {
        screen.at_rule(progress.rule.code);
    };
    audit(connection, args.options(config), &checking).await
}

fn publish(args: &LoadtestArgs, report: &Report) -> anyhow::Result<()> {
    let text = table::text(report);
    match &args.output.json {
        Some(path) => {
            // A program reads stdout then.
            if path == Path::new("-") {
                eprint!("{text}");
            } else {
                print!("{text}");
            }
            report.write_json(path)?;
        }
        None => print!("{text}"),
    }
    if let Some(path) = &args.output.plot {
        plot::draw(report, path)?;
    }
    Ok(())
}
