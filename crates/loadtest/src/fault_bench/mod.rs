//! `make fault-bench`: the bars of the design's isolation page from real faults, and with
//! `--check` the guard of the first of them.
//!
//! It starts a fresh private PostgreSQL and Redis and a server for each row, drives 64 clients whose
//! carts need nothing that the fault touches, beside some whose carts do, and measures what the fault
//! costs either. Each row shows that its fault struck. The services, the servers and the faults are
//! child processes and end with this one.
//!
//! | what | files |
//! |---|---|
//! | the options | `options`, `rows` |
//! | the environment | `environment`, `carts`, `fault_context`; shared with `compare`: `bench` |
//! | a row | `run` |
//! | the load | `load`, `record` |
//! | the faults | `faults/`, `proxy`, `frames`, `log_pipe`, `processes` |
//! | the results | `judge`, `floors`, `report` |

mod carts;
mod environment;
mod fault_context;
mod faults;
mod floors;
mod frames;
mod judge;
mod load;
mod log_pipe;
mod options;
mod processes;
mod proxy;
mod record;
mod report;
mod rows;
mod run;
#[cfg(test)]
mod tests;

use std::{path::Path, process::ExitCode, time::Instant};

use anyhow::Context;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use splitcart::cli::{signals, tool::program_beside};

use crate::fault_bench::{
    environment::Environment, judge::Measured, options::Options, rows::Row, run::Times,
};

const FLOORS: &str = include_str!("../../fault_floors.toml");
/// Open files: a crowd's connections on either side, with some room.
const FILES: u64 = 50_000;

/// The whole program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let result = actix_rt::System::new().block_on(unless_stopped(&options));
    eprintln!("it took {:.0} s", started.elapsed().as_secs_f64());
    result.unwrap_or_else(|error| {
        eprintln!("faults: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs until a signal. Whatever is dropped then ends.
async fn unless_stopped(options: &Options) -> anyhow::Result<ExitCode> {
    let stop_signal = signals::stop_signal()?;
    tokio::select! {
        result = run(options) => result,
        () = stop_signal => Err(anyhow::anyhow!("stopped by a signal")),
    }
}

async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let floors = floors::read(FLOORS).context("crates/loadtest/fault_floors.toml")?;
    open_more_files();
    let built = program_beside("splitcart")?;
    let program = options.server_binary.as_deref().unwrap_or(&built);
    let temporary = tempfile::tempdir()?;
    let logs = options.logs.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(logs)?;
    let times = match options {
        _ if options.check => Times::CHECK,
        _ if options.quick => Times::QUICK,
        _ => Times::FULL,
    };
    warn_if_busy();
    eprintln!("starting PostgreSQL and Redis, and filling the catalogue …");
    let mut environment = Environment::open(program, logs).await?;
    run::calibrate(&mut environment).await?;
    eprintln!(
        "about {:.0} checkouts a second without a fault",
        environment.rate
    );
    let bench = Bench {
        options,
        times,
        program,
        logs,
    };
    let mut measured = Vec::new();
    let mut is_fine = bench
        .measure(&mut environment, &options.wanted(), &mut measured)
        .await?;
    if options.check {
        let again = floors::to_repeat(&measured, &floors);
        if !again.is_empty() {
            eprintln!("a second time, what is below its floor:");
        }
        is_fine &= bench
            .measure(&mut environment, &again, &mut measured)
            .await?;
    }
    environment.stop().await?;
    report::print(&measured, options.markdown);
    if let Some(path) = &options.json {
        report::write(&measured, path)?;
    }
    is_fine &= if options.check {
        floors::print(&floors::check(&measured, &floors))
    } else {
        measured.iter().all(|row| row.is_met)
    };
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What all rows have in common.
struct Bench<'a> {
    options: &'a Options,
    times: Times,
    program: &'a Path,
    logs: &'a Path,
}

impl Bench<'_> {
    /// Runs rows one after the other and adds their figures; false if one of them could not be run.
    async fn measure(
        &self,
        environment: &mut Environment,
        rows: &[Row],
        measured: &mut Vec<Measured>,
    ) -> anyhow::Result<bool> {
        let mut is_fine = true;
        for row in rows {
            match self.rounds(environment, *row).await {
                Ok(row) => measured.push(row),
                Err(error) => {
                    eprintln!("{}: not run: {error:#}", row.key());
                    println!("{}: not run: {error:#}", row.key());
                    is_fine = false;
                    // The row may have left any state behind.
                    *environment = Environment::open(self.program, self.logs).await?;
                    run::calibrate(environment).await?;
                }
            }
        }
        Ok(is_fine)
    }

    /// Runs a row as often as is asked for; returns the one with the median share.
    async fn rounds(&self, environment: &mut Environment, row: Row) -> anyhow::Result<Measured> {
        let mut all = Vec::new();
        for _ in 0..self.options.rounds {
            eprintln!("{}: {} …", row.key(), row.title());
            let measured = run::run(environment, row, self.times).await?;
            eprintln!("  {}", report::line(&measured));
            all.push(measured);
        }
        all.sort_by(|one, other| one.share.total_cmp(&other.share));
        Ok(all.swap_remove(all.len() / 2))
    }
}

/// Figures of a machine that does other work mean nothing.
fn warn_if_busy() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .and_then(|it| it.parse().ok())
        .unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if load > 0.5 * cores as f64 {
        eprintln!("this machine is busy: its load is {load} on {cores} cores; expect noise");
    }
}

/// Raises the limit of open files as far as the system allows. The servers inherit it.
fn open_more_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Only root may have more than the hard limit; for other users the crowd is smaller, and its row
        // says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, FILES.max(hard), FILES.max(hard));
        let _ = setrlimit(Resource::RLIMIT_NOFILE, FILES.min(hard), hard.max(FILES));
    }
}
