//! One test from its beginning to its end: prepare, measure, check the outcome, report.

use std::{
    cell::RefMut, collections::BTreeMap, path::Path, process::ExitCode, rc::Rc, time::Instant,
};

use anyhow::bail;
use sqlx::PgConnection;
use terminal::Screen;

use audit::{AuditArgs, Progress, Report as Audit, audit};
use splitcart::{
    cli::services,
    config::Config,
    domain::ids::{CartId, ProductId},
};

use crate::db::{self, Bought, Stock};

use super::{
    asked::Length,
    driver::{Driver, Manners, Moves},
    options::{LoadtestArgs, Mode},
    place::Place,
    plot,
    prepare::Prepared,
    ready::{self, Ready},
    record::Recorder,
    report::{MoveReport, Report, Sold, Stocks},
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
    let Ready {
        prepared, vendors, ..
    } = ready;
    let before = Before {
        stock: stock(&mut connection, &prepared).await?,
        units: units(&mut connection, &prepared).await?,
        bought: bought(args, &mut connection, &prepared, &[]).await?,
    };
    let mark = if args.warmup().is_zero() {
        Some(Mark::take(place.ops).await)
    } else {
        None
    };
    let times = times(args);
    let recorder = || Recorder::between(times.begin, times.end);
    let mut driver = Driver::new(
        place.http.clone(),
        Manners {
            timeout: args.load.timeout,
            replay_share: args.load.retries,
            retry_refused: args.load.retry_refused,
            seed: args.cart.seed,
        },
        Supply::of(jobs, count(args)),
        recorder(),
    );
    if args.load.mode == Mode::Lifecycle {
        driver.moves = Some(Moves::new(args.moves.shares(), vendors, recorder));
    }
    let driver = Rc::new(driver);
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
    let units = units(&mut connection, &prepared).await?;
    let frozen = driver.frozen.borrow().clone();
    let bought = bought(args, &mut connection, &prepared, &frozen).await?;
    let audit = audit_at_the_end(config, &mut connection, &screen).await?;
    screen.close();
    let stocks = Stocks {
        spread: Sold::between(prepared.spread.len(), before.stock.0, after.0),
        hot: Sold::between(prepared.hot.len(), before.stock.1, after.1),
        products_unbalanced: unbalanced(&before.units, &units),
    };
    let bought = bought.since(before.bought);
    let recorder = driver.recorder.borrow();
    let mut report = Report::of(args, &recorder, &ended, bought, stocks, audit.to_json());
    if let Some(moves) = &driver.moves {
        let recorders = moves.recorders();
        let of_kind = |(kind, mut recorder): (_, RefMut<'_, Recorder>)| {
            recorder.finish(ended.end);
            MoveReport::of(kind, &recorder, report.seconds)
        };
        report.moves = recorders.map(of_kind).collect();
    }
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

/// The state before the test.
struct Before {
    /// Of the products that are not hot, and of those that are.
    stock: (Stock, Stock),
    /// The units of each product.
    units: Vec<(ProductId, i64)>,
    /// What was bought from the test's carts: orders that are made to be moved.
    bought: Bought,
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

/// The units of each product, wherever they are.
async fn units(
    connection: &mut PgConnection,
    prepared: &Prepared,
) -> anyhow::Result<Vec<(ProductId, i64)>> {
    let products = prepared.spread.iter().chain(&prepared.hot).copied();
    let products: Vec<_> = products.collect();
    Ok(db::units_of(connection, &products).await?)
}

/// The number of products with another sum than before.
fn unbalanced(before: &[(ProductId, i64)], after: &[(ProductId, i64)]) -> usize {
    let before: BTreeMap<_, _> = before.iter().copied().collect();
    let changed = after
        .iter()
        .filter(|(id, units)| before.get(id) != Some(units));
    changed.count()
}

/// Purchases from the carts of this test; the frozen ones are those that purchases have frozen.
async fn bought(
    args: &LoadtestArgs,
    connection: &mut PgConnection,
    prepared: &Prepared,
    frozen: &[CartId],
) -> anyhow::Result<Bought> {
    let carts: Vec<CartId> = match args.load.mode {
        Mode::Checkout | Mode::Lifecycle | Mode::Decisions => {
            prepared.carts.iter().map(|cart| cart.id).collect()
        }
        Mode::Purchase => frozen.to_vec(),
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
