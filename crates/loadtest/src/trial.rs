//! One test from its beginning to its end: prepare, measure, check the outcome, report.

use std::{collections::HashMap, path::Path, process::ExitCode, rc::Rc, time::Instant};

use anyhow::bail;
use hyper::header::HeaderValue;
use sqlx::PgConnection;
use terminal::Screen;

use audit::{AuditArgs, Progress, Report as Audit, audit};
use splitcart::{
    cli::services,
    config::Config,
    domain::ids::{CartId, VendorStoreId},
};

use super::{
    asked::Length,
    beside_options::StockRate,
    driver::{Driver, Manners, Moves},
    look::look,
    options::{LoadtestArgs, Mode},
    place::Place,
    plot,
    prepare::Prepared,
    ready::{self, Ready},
    record::Recorder,
    report::{Report, Sold, Stocks},
    requests::{Job, Supply},
    run::{self, Mark, Times},
    sink_lag::LagWatch,
    soundness,
    stock_counts::StockCounts,
    table,
};

/// The longest time that the relay may be behind when the audit runs.
const UNPUBLISHED_S_MAX: u32 = 60;

/// Runs a test; the status says whether it was sound.
///
/// # Errors
/// See `ready`, or the machine failed.
pub async fn run(
    args: &LoadtestArgs,
    config: &Config,
    place: &Place,
    stop_signal: impl Future<Output = ()> + Clone,
) -> anyhow::Result<ExitCode> {
    place.check().await?;
    let screen = Screen::on_stderr();
    let mut connection = services::connect(&place.database).await?;
    let preparing = ready::get_ready(args, config, place, &mut connection, &screen);
    let ready = tokio::select! {
        ready = preparing => ready?,
        () = stop_signal.clone() => bail!("stopped by a signal"),
    };
    let jobs = ready.jobs(args);
    let Ready {
        prepared,
        vendors,
        late,
        ..
    } = ready;
    let carts = own_carts(args, &prepared, &[]);
    let before = look(&mut connection, &prepared, &carts, &late.carts).await?;
    let mark = if args.warmup().is_zero() {
        Some(Mark::take(place.ops).await)
    } else {
        None
    };
    let watching = late.watch(services::connect(&place.database).await?);
    let lags = LagWatch::start(place.ops);
    let times = times(args);
    let driver = Rc::new(driver(args, place, jobs, vendors, times));
    let counts = stock_counts(args, config, times)?;
    let load = run::run(
        &driver,
        args.arrivals(),
        times,
        place.ops,
        mark,
        &screen,
        stop_signal,
    );
    let load = async {
        let ended = tokio::select! {
            ended = load => ended,
            failed = watching => failed.and_then(|()| bail!("late orders are watched to the end")),
        };
        counts.iter().for_each(StockCounts::stop);
        ended
    };
    let counting = async {
        if let Some(counts) = &counts {
            counts.run(&place.http, args.load.timeout).await;
        }
    };
    let (ended, ()) = tokio::join!(load, counting);
    let ended = ended?;
    let lags = lags.seen();
    screen.say("checking the outcome …".to_owned());

    let frozen = driver.frozen.borrow().clone();
    let carts = own_carts(args, &prepared, &frozen);
    let after = look(&mut connection, &prepared, &carts, &late.carts).await?;
    let left = late.left(&mut connection).await?;
    let audit = audit_at_the_end(config, &mut connection, &screen).await?;
    screen.close();
    let stocks = Stocks {
        spread: Sold::between(prepared.spread.len(), before.spread, after.spread),
        hot: Sold::between(prepared.hot.len(), before.hot, after.hot),
        products_unbalanced: after.unbalanced_since(&before),
    };
    let bought = after.bought.since(before.bought);
    let recorder = driver.recorder.borrow();
    let mut report = Report::of(args, &recorder, &ended, bought, stocks, audit.to_json());
    let moves = driver.moves.as_ref();
    report.moves = moves.map_or_else(Vec::new, |it| it.report(ended.end, report.seconds));
    report.sinks = lags;
    report.stock_counts = counts.map(|counts| counts.report(ended.end, report.seconds));
    let released = before.late_units - after.late_units;
    report.late_orders = late.report(times.begin, &recorder, left, released);
    let findings = audit.findings().map(|finding| {
        let (rule, count) = (finding.rule, finding.broken.count);
        format!(
            "the audit finds `{}` ({}) broken {count} times",
            rule.code, rule.sentence
        )
    });
    soundness::judge(&mut report, args.load.mode, &recorder, &ended, findings);
    publish(args, &report)?;
    Ok(if report.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn driver(
    args: &LoadtestArgs,
    place: &Place,
    jobs: Vec<Job>,
    vendors: HashMap<VendorStoreId, HeaderValue>,
    times: Times,
) -> Driver {
    let recorder = || Recorder::between(times.begin, times.end);
    let manners = Manners {
        timeout: args.load.timeout,
        replay_share: args.load.retries,
        retry_refused: args.load.retry_refused,
        seed: args.cart.seed,
    };
    let supply = Supply::of(jobs, count(args));
    let mut driver = Driver::new(place.http.clone(), manners, supply, recorder());
    driver.moves = (args.load.mode == Mode::Lifecycle)
        .then(|| Moves::new(args.moves.shares(), vendors, recorder));
    driver
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

/// The carts of this test from which something may be bought; the frozen ones are those that purchases
/// have frozen.
fn own_carts(args: &LoadtestArgs, prepared: &Prepared, frozen: &[CartId]) -> Vec<CartId> {
    match args.load.mode {
        Mode::Checkout | Mode::Lifecycle | Mode::Decisions => {
            prepared.carts.iter().map(|cart| cart.id).collect()
        }
        Mode::Purchase => frozen.to_vec(),
        Mode::CartPut | Mode::CartGet => Vec::new(),
    }
}

/// The stock counts beside the load, if there are to be any.
fn stock_counts(
    args: &LoadtestArgs,
    config: &Config,
    times: Times,
) -> anyhow::Result<Option<StockCounts>> {
    let (rate, products_k) = (args.beside.stock_rows_per_s, args.beside.stock_products_k);
    if rate == StockRate::Off {
        return Ok(None);
    }
    let recorder = Recorder::between(times.begin, times.end);
    let bearer = ready::counting_vendor_bearer(config)?;
    Ok(Some(StockCounts::new(bearer, rate, products_k, recorder)))
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
        metrics: None,
    };
    let checking = |progress: Progress| {
        // Shown on a terminal only; a log does not need it.
        if screen.is_watched() {
            screen.say(format!("checking {}", progress.rule.code));
        }
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
