//! `splitcart doctor`: looks at everything that the service depends on, and says what is not well.

mod table;

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::Duration,
};

use clap::Args;
use private_servers::{DataDir, running_in};
use serde_json::json;

use crate::{
    app,
    config::{Config, Error, Services},
    doctor::{
        self, Servers, Subject, configuration,
        report::{Line, State},
    },
    telemetry,
};

const EXAMPLES: &str = "\
Examples:
  splitcart doctor                      the private servers in .splitcart
  splitcart doctor --config my.toml     with the settings of the service, before or while it runs
  SPLITCART_DATABASE_URL=postgres://… SPLITCART_REDIS_URL=redis://… splitcart doctor
                                        with your own PostgreSQL and Redis
  splitcart doctor --json | jq '.lines[] | select(.state == \"not_well\") | .id'
                                        the ids of what is not well, for scripts
  splitcart doctor --timeout 2          a server that has not answered within 2 s is not waited for

Run it as the user of the service and with its settings. Nothing is changed. docs/doctor.md explains each line.
Exit status: 0 all is well, 1 something is not well, 2 it could not run.";

/// Look at everything that the service depends on, and say what is not well
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Print one JSON object: `well`, and `lines` with the stable id of each
    #[arg(long)]
    json: bool,
    /// The time limit of one look, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

/// Looks, and prints the report. Returns the exit status.
///
/// # Errors
/// The report can't be written.
pub async fn run(
    args: &DoctorArgs,
    config: Result<Config, Error>,
    data_dir: Option<&Path>,
) -> io::Result<i32> {
    let lines = match config.map_err(|error| error.to_string()).and_then(checked) {
        Ok(config) => doctor::examine(&subject(config, data_dir, args)).await,
        Err(problem) => configuration::unusable(&problem),
    };
    let is_well = lines.iter().all(|line| line.state != State::NotWell);
    print(args, &lines, is_well)?;
    Ok(i32::from(!is_well))
}

/// The filter of the log and the variables of traces are read where these start, which a report must not
/// depend on.
fn checked(config: Config) -> Result<Config, String> {
    telemetry::check(&config.log).map_err(|error| error.to_string())?;
    app::telemetry::options(&config).map_err(|error| error.to_string())?;
    Ok(config)
}

fn subject(config: Config, data_dir: Option<&Path>, args: &DoctorArgs) -> Subject {
    let limit = Duration::from_secs(args.timeout);
    match config.services() {
        Services::External {
            database_url,
            redis_url,
        } => Subject {
            config,
            servers: Some(Servers {
                database: database_url,
                redis: redis_url,
            }),
            data_dir: None,
            limit,
        },
        Services::Embedded => {
            let named = DataDir::named(data_dir);
            let servers = running_in(&named).map(|(database, redis)| Servers {
                database: database.into(),
                redis: redis.into(),
            });
            let mut config = config;
            // Private databases are migrated by their owner, and served by another role.
            config.database.migrate_on_start = false;
            let data_dir = Some(named.to_string().into());
            Subject {
                config,
                servers,
                data_dir,
                limit,
            }
        }
    }
}

fn print(args: &DoctorArgs, lines: &[Line], is_well: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let report = json!({
            "splitcart": env!("CARGO_PKG_VERSION"),
            "well": is_well,
            "lines": lines,
        });
        writeln!(out, "{report:#}")?;
    } else {
        let has_colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let colours = if has_colours {
            table::Colours::On
        } else {
            table::Colours::Off
        };
        out.write_all(table::of(lines, colours).as_bytes())?;
    }
    out.flush()
}
