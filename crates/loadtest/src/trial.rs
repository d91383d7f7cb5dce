//! One test from its beginning to its end: prepare, measure, check the outcome, report.

use std::{path::Path, process::ExitCode, rc::Rc, time::Instant};

use anyhow::bail;
use sqlx::PgConnection;
use terminal::Screen;

use audit::{AuditArgs, Progress, Report as Audit, audit};
use splitcart::{cli::services, config::Config, domain::ids::CartId};

use crate::db::{self, Bought, Stock};

use super::{
    asked::Length,
    driver::{Driver, Manners},
    options::{LoadtestArgs, Mode},
    place::Place,
    plot,
    prepare::Prepared,
    ready::{self, Ready},
    record::Recorder,
    report::{Report, Sold, Stocks},
    requests::Supply,
    run::{self, Mark, Times},
    soundness, table,
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
    let Ready { prepared, .. } = ready;
    let before = stock(&mut connection, &prepared).await?;
    let mark = if args.warmup().is_zero() {
        Some(Mark::take(place.ops).await)
    } else {
        None
    };
    let times = times(args);
    let driver = Rc::new(Driver::new(
        place.http.clone(),
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
    let running = run::run(
        &driver,
        arrivals,
        times,
        place.ops,
        mark,
        &screen,
        stop_signal,
    );
    let ended = running.await?;
    screen.say("checking the outcome …".to_owned());

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
    soundness::judge(&mut report, args.load.mode, &recorder, &ended, findings);
    publish(args, &report)?;
    Ok(if report.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
    let spread = db::stock_of(connection, &prepared.spread).await?;
    let hot = db::stock_of(connection, &prepared.hot).await?;
    Ok((spread, hot))
}

/// Purchases from the carts of this test.
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
    Ok(db::count_bought(connection, &carts).await?)
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
