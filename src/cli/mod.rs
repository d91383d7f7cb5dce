//! The commands. They read the clock, the environment and the terminal, so that nothing below has
//! to.

pub mod demo;
pub mod embedded;
pub mod migrate;
pub mod seed;
pub mod serve;
pub mod services;
pub mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Log};

const EXAMPLES: &str = "\
Examples:
  splitcart demo                        see a purchase from end to end
  splitcart serve                       run with a private PostgreSQL and Redis in .splitcart
  splitcart serve --config my.toml      run with your own settings
  SPLITCART_DATABASE_URL=postgres://… SPLITCART_REDIS_URL=redis://… splitcart serve
                                        run against your own PostgreSQL and Redis
  splitcart seed                        fill an empty database with a demo catalogue
  splitcart token --buyer 1             a token to try the API with

Every setting, with its default and its environment variable, is explained in config/default.toml.";

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
    /// Where the private PostgreSQL and Redis keep their files [default: .splitcart]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    /// Run the service
    Serve,
    /// Apply the migrations that are missing, then end
    Migrate,
    Seed(seed::SeedArgs),
    Token(token::TokenArgs),
    Embedded(embedded::EmbeddedArgs),
}

/// Runs the command that the arguments name. Errors go to stderr, with what caused them.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match actix_rt::System::new().block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("splitcart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = Config::load(cli.common.config.as_deref(), std::env::vars())?;
    crate::telemetry::start(&quiet_for(&cli.command, &config.log))?;
    let data_dir = cli.common.data_dir.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args, &config, data_dir).await?,
        Command::Serve => serve::run(&config, data_dir).await?,
        Command::Migrate => migrate::run(&config, data_dir).await?,
        Command::Seed(args) => seed::run_command(&args, &config, data_dir).await?,
        Command::Embedded(args) => return embedded::run(args, data_dir).await,
        Command::Token(args) => token::run(&args, &config)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a command prints is its result; only the service tells what it is doing all the time, unless
/// somebody has asked for more.
fn quiet_for(command: &Command, log: &Log) -> Log {
    let asked_for = log.filter != "info";
    if asked_for || matches!(command, Command::Serve) {
        return log.clone();
    }
    Log {
        filter: "warn".to_owned(),
        ..log.clone()
    }
}
