//! `splitcart audit`: checks a database, live or not, against the rules that must always hold in it.
//!
//! Owns the command's options and the one snapshot in which all rules are checked. The rules are in
//! `db::audit`, the result is in `report`.
//! [`audit`](audit()) takes a connection, so that a load test can end with it.

mod report;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, ensure};
use clap::Args;
use sqlx::PgConnection;
use terminal::Screen;

use splitcart::{
    cli::services::{self, Services},
    config::{Config, Retention},
    db::{
        self,
        audit::{Options, Rule},
    },
};

pub use report::{Checked, Report};

const EXAMPLES: &str = "\
Examples:
  splitcart audit                           check the private database in .splitcart
  SPLITCART_DATABASE_URL=postgres://… splitcart audit
                                            check your own, while instances are at work
  splitcart audit --unpublished-s-max 600   be patient with a broker that was away
  splitcart audit --json | jq '.rules[] | select(.broken > 0)'
                                            what is broken, for a script
  splitcart audit --metrics /var/lib/prometheus/node-exporter/splitcart_audit.prom
                                            for Prometheus, from a timer

Changes nothing. The status is 0 if every rule holds, 1 if one is broken, 2 if the audit could not
be made.";

/// The most that the clock of an instance may be behind the database's, by which old rows are swept.
const CLOCKS_APART_MAX: Duration = Duration::from_hours(1);

/// An audit that ends sooner reports only its result to a log.
const QUIET: Duration = Duration::from_secs(2);

/// Check a database against the rules that must always hold in it
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    /// Print the result as JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Write the result into this file, too, as metrics for the textfile collector of Prometheus' node
    /// exporter
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// The most seconds that an event may wait to be published
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub unpublished_s_max: u32,
    /// The number of ids to name for each broken rule
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=1000),
    )]
    pub examples: u32,
}

impl AuditArgs {
    /// The options of the audit, from the command line and the settings.
    pub fn options(&self, config: &Config) -> Options {
        let answers_kept = Duration::from_hours(config.idempotency.checkout_days * 24);
        Options {
            unpublished_max: Duration::from_secs(self.unpublished_s_max.into()),
            keys_kept: answers_kept.saturating_sub(CLOCKS_APART_MAX),
            events_kept: match config.outbox.retention {
                Retention::Off => None,
                Retention::Lasting(time) => Some(time.saturating_sub(CLOCKS_APART_MAX)),
            },
            examples_max: self.examples,
        }
    }
}

/// The progress of an audit.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The rule that is being checked.
    pub rule: &'static Rule,
    /// The number of rules checked before it.
    pub done: usize,
    /// The number of all rules.
    pub total: usize,
}

/// Runs the command; the status says whether every rule holds.
///
/// # Errors
/// PostgreSQL can't be reached, or see [`audit`](audit()).
pub async fn run(
    args: &AuditArgs,
    config: &Config,
    data_dir: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let options = args.options(config);
    let report = Services::during(config, data_dir, async |urls| {
        let mut connection = services::connect(&urls.database).await?;
        let screen = Screen::on_stderr();
        let started = Instant::now();
        let show = |progress| show(&screen, started, progress);
        let report = audit(&mut connection, options, &show).await;
        screen.close();
        report
    })
    .await?;
    if let Some(file) = &args.metrics {
        replace(file, &report.to_metrics(SystemTime::now()))
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    if args.json {
        println!("{:#}", report.to_json());
    } else {
        report.print();
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A collector that reads at that moment finds the old content or the new one, never a part.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut next = file.as_os_str().to_owned();
    next.push(".new");
    fs::write(&next, text)?;
    fs::rename(&next, file)
}

fn show(screen: &Screen, started: Instant, progress: Progress) {
    let Progress { rule, done, total } = progress;
    screen.show(rule.code, done as u64, total as u64);
    if !screen.is_watched() && started.elapsed() >= QUIET {
        screen.say(format!("checking {} ({} of {total})", rule.code, done + 1));
    }
}

/// Checks every rule in one snapshot: all of them judge the same state, whatever others write
/// meanwhile.
///
/// # Errors
/// The database has not all our migrations, or the machine failed.
pub async fn audit(
    connection: &mut PgConnection,
    options: Options,
    progress: &dyn Fn(Progress),
) -> anyhow::Result<Report> {
    let missing = db::migrations::missing_migrations(connection).await?;
    ensure!(
        missing == 0,
        "this database lacks {missing} of our migrations; run `splitcart migrate` first"
    );
    let mut snapshot = db::transaction::begin_snapshot_on(connection).await?;
    let report = check_all(&mut snapshot, options, progress).await?;
    db::transaction::commit(snapshot).await?;
    Ok(report)
}

/// Checks every rule on what the caller's transaction sees.
///
/// # Errors
/// The machine failed.
pub async fn check_all(
    connection: &mut PgConnection,
    options: Options,
    progress: &dyn Fn(Progress),
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let rules: Vec<_> = db::audit::rules().collect();
    let mut checked = Vec::with_capacity(rules.len());
    for (done, rule) in rules.iter().copied().enumerate() {
        progress(Progress {
            rule,
            done,
            total: rules.len(),
        });
        checked.push(check(connection, rule, options).await?);
    }
    Ok(Report {
        checked,
        dead_letters: db::audit::count_dead_letters(connection).await?,
        elapsed: started.elapsed(),
    })
}

async fn check(
    connection: &mut PgConnection,
    rule: &'static Rule,
    options: Options,
) -> anyhow::Result<Checked> {
    let started = Instant::now();
    let broken = db::audit::check(connection, rule, options)
        .await
        .with_context(|| format!("could not check {}", rule.code))?;
    Ok(Checked {
        rule,
        broken,
        elapsed: started.elapsed(),
    })
}
