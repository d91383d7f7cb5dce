//! The commands. They read the clock, the environment and the terminal, so that nothing below has
//! to.
//!
//! | command | where |
//! |---|---|
//! | `serve`, `migrate`, `health`, `token`, `embedded`, `events`, `doctor` | the file of that name |
//! | `openapi`, `errors`, `metrics` | [`contract`] |
//! | `seed`, `import` | `crates/catalogue`, started by [`tool`] |
//! | `audit`, `demo`, `loadtest`, `outbox` | the crate of that name, started by [`tool`] |

pub mod contract;
pub mod doctor;
pub mod embedded;
pub mod events;
pub mod health;
pub mod migrate;
pub mod serve;
pub mod services;
pub mod signals;
pub mod token;
pub mod tool;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{self, Config},
    http::{error::markdown, openapi},
    metrics,
};

const EXAMPLES: &str = "\
Examples:
  splitcart demo                        see a purchase from end to end
  splitcart serve                       run with a private PostgreSQL and Redis in .splitcart
  splitcart serve --config my.toml      run with your own settings
  SPLITCART_DATABASE_URL=postgres://… SPLITCART_REDIS_URL=redis://… splitcart serve
                                        run against your own PostgreSQL and Redis
  splitcart seed                        fill an empty database with a demo catalogue
  splitcart import docs/examples        take a catalogue from files
  splitcart token --buyer 1             a token to try the API with
  splitcart doctor                      what is not well around the service, and what to do
  splitcart audit                       check the database against the rules that must always hold
  splitcart outbox status               what waits for which sink of events
  splitcart openapi                     the contract for programs; a server shows it at /docs
  splitcart loadtest --private          measure what this machine can do

Every setting, with its default and its environment variable, is explained in config/default.toml.";

const SERVE_EXAMPLES: &str = "\
Examples:
  splitcart serve                                 with a private PostgreSQL and Redis in .splitcart
  SPLITCART_HTTP_ADDR=127.0.0.1:8181 splitcart serve
                                                  on another address
  splitcart serve --config my.toml                with your own settings

Ctrl-C or SIGTERM finishes what was accepted and ends.";

/// The checkout core of a B2B marketplace.
#[derive(Debug, Parser)]
#[command(name = "splitcart", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of all commands.
#[derive(Args, Debug)]
pub struct Common {
    /// Settings that override the defaults
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The directory of the private PostgreSQL's and Redis' files [default: .splitcart; for root, where
    /// the user postgres can't enter, /var/lib/splitcart]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See a purchase from end to end on a private PostgreSQL and Redis
    Demo,
    /// Run the service
    #[command(after_help = SERVE_EXAMPLES)]
    Serve,
    Doctor(doctor::DoctorArgs),
    Migrate(migrate::MigrateArgs),
    Health(health::HealthArgs),
    /// Fill an empty database with a demo catalogue
    Seed,
    /// Take stores, people, products and stock from CSV and NDJSON files
    Import,
    Token(token::TokenArgs),
    /// Check a database against the rules that must always hold in it
    Audit,
    /// Show events and their sinks, send dead letters again, publish events anew
    Outbox,
    /// See in the terminal what the service does now
    Top,
    /// Print the OpenAPI document
    #[command(after_help = contract::OPENAPI_EXAMPLES)]
    Openapi,
    Events(events::EventsArgs),
    /// Print every error code, with when, what to do and an example
    #[command(after_help = contract::ERRORS_EXAMPLES)]
    Errors,
    /// Print every metric, with its meaning and what to do when it is odd
    #[command(after_help = contract::METRICS_EXAMPLES)]
    Metrics,
    Embedded(embedded::EmbeddedArgs),
    /// Drive a running server over HTTP and measure it
    Loadtest,
}

/// Runs the command that the arguments name. Errors go to stderr, with what caused them.
pub fn main() -> ExitCode {
    if let Some(failure) = tool::hand_over(std::env::args_os()) {
        return failure;
    }
    match actix_rt::System::new().block_on(run(Cli::parse())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("splitcart: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = Config::load(cli.common.config.as_deref(), variables());
    if let Command::Doctor(args) = &cli.command {
        examine(args, config, cli.common.data_dir.as_deref()).await;
    }
    let config = config?;
    let _logging = crate::telemetry::start(&config.log, default_filter(&cli.command))?;
    let data_dir = cli.common.data_dir.as_deref();
    match cli.command {
        Command::Serve => serve::run(&config, data_dir).await?,
        Command::Migrate(args) => migrate::run(&args, &config, data_dir).await?,
        Command::Health(args) => return health::run(&args, &config).await,
        Command::Embedded(args) => return embedded::run(args, data_dir).await,
        Command::Token(args) => token::run(&args, &config, data_dir)?,
        Command::Openapi => contract::print(openapi::document())?,
        Command::Events(args) => events::run(&args)?,
        Command::Errors => contract::print(&markdown::markdown())?,
        Command::Metrics => contract::print(&metrics::markdown::markdown())?,
        Command::Demo
        | Command::Seed
        | Command::Import
        | Command::Audit
        | Command::Doctor(_)
        | Command::Outbox
        | Command::Top
        | Command::Loadtest => {
            anyhow::bail!("this command does not get here")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `doctor`, without a log beside its report, and ends the process at once: a look at a name server or a
/// file system that hangs can't be canceled.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing was started that had to be stopped"
)]
async fn examine(
    args: &doctor::DoctorArgs,
    config: Result<Config, config::Error>,
    data_dir: Option<&Path>,
) -> ! {
    const COULD_NOT_RUN: i32 = 2;
    match doctor::run(args, config, data_dir).await {
        Ok(status) => std::process::exit(status),
        Err(error) => {
            eprintln!("splitcart: the report can't be written: {error}");
            std::process::exit(COULD_NOT_RUN)
        }
    }
}

/// The variables of the environment that are text; a setting that is not counts as unset.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The filter of the log unless `log.filter` is set: a command prints only its result, and only the service
/// reports its work all the time. A client that sends broken HTTP is no error of the service, so the HTTP
/// library's complaints about it are left out.
fn default_filter(command: &Command) -> &'static str {
    match command {
        Command::Serve => {
            // Libraries of brokers report each connection; the state of a sink is told by the outbox.
            "info,actix_http=off,actix_server=warn,async_nats=off,redis=off,rskafka=off,\
             sqlx::postgres::notice=warn"
        }
        _ => COMMANDS_FILTER,
    }
}

/// Without warnings about slow statements: those of an audit or a load test may well take long.
const COMMANDS_FILTER: &str = "warn,actix_http=off,sqlx::query=error";

/// An error with its causes. Some errors contain the text of their cause: nothing is said twice.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(cause.trim()) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn no_cause_is_reported_twice() {
        let source = std::io::Error::other("Address already in use");
        let addr = "127.0.0.1:80".parse().unwrap();
        let setting = "http.addr";
        let error = Err::<(), _>(crate::app::Error::Listen {
            setting,
            addr,
            source,
        });
        let text = explain(&error.context("outermost").unwrap_err());
        assert!(
            text.starts_with("outermost: can't listen on 127.0.0.1:80"),
            "{text}"
        );
        assert_eq!(text.matches("Address already in use").count(), 1, "{text}");
    }
}
