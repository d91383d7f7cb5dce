//! `make bench-compare`: every bar of the design's performance page beside its figure, and
//! with `--check` the guard against falling behind.
//!
//! It starts a fresh private PostgreSQL and Redis, drives the textbook checkout with pgbench, straight
//! against the database, and ours over HTTP with `splitcart loadtest`, in turn, and compares within rounds.
//! The services, the server and the drivers are child processes and end with this one.
//!
//! | what | files |
//! |---|---|
//! | the options | `options` |
//! | the order of measurements | `plan`, `rounds`, `steps` |
//! | the environment | `cluster`, `history`, `conditions`; shared with `fault_bench`: `bench` |
//! | one measurement | `textbook`, `pgbench_log`, `ours`, `crowd`, `overload`, `probe`, `large` |
//! | the results | `figures`, `bars`, `floors`, `median`, `report` |

mod bars;
mod cluster;
mod conditions;
mod crowd;
mod figures;
mod floors;
mod history;
mod large;
mod median;
mod options;
mod ours;
mod overload;
mod pgbench_log;
mod plan;
mod probe;
mod report;
mod rounds;
mod steps;
#[cfg(test)]
mod tests;
mod textbook;

use std::{process::ExitCode, time::Instant};

use anyhow::Context;
use catalogue::seed::SeedPlan;
use clap::Parser;
use splitcart::cli::signals;

use crate::compare::{
    cluster::Cluster, conditions::Conditions, options::Options, plan::Plan, report::Everything,
    rounds::Clusters,
};

const FLOORS: &str = include_str!("../../floors.toml");

const USUAL: SeedPlan = SeedPlan {
    vendors: 200,
    products: 10_000,
    buyers: 1_000,
    orders: 0,
    seed: 1,
};
const LARGE: SeedPlan = SeedPlan {
    vendors: 100_000,
    products: 1_000_000,
    ..USUAL
};

/// The whole program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let result = actix_rt::System::new().block_on(unless_stopped(&options));
    eprintln!("it took {:.0} s", started.elapsed().as_secs_f64());
    result.unwrap_or_else(|error| {
        eprintln!("compare: {error:#}");
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
    let bars = options.bars();
    let plan = Plan::of(options, &bars);
    let floors = floors::read(FLOORS).context("crates/loadtest/floors.toml")?;
    eprintln!(
        "starting PostgreSQL and Redis, filling {} vendors …",
        USUAL.vendors
    );
    let mut clusters = Clusters {
        usual: Cluster::open(USUAL).await?,
        large: None,
    };
    if plan.steps.contains(&steps::Step::Large) {
        eprintln!(
            "the same with {} vendors, which takes minutes …",
            LARGE.vendors
        );
        clusters.large = Some(Cluster::open(LARGE).await?);
    }
    let conditions = Conditions::read(clusters.usual.connection(), &plan).await?;
    println!("{}", conditions.text());
    let rounds = rounds::run(&mut clusters, &plan).await?;
    clusters.usual.stop().await?;
    if let Some(large) = clusters.large {
        large.stop().await?;
    }

    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    if options.check {
        findings = floors::check(&rounds, &floors)?;
        report::print_findings(&findings);
    } else {
        rows = bars::rows(&rounds, &bars);
        report::print_bars(&rows);
    }
    if let Some(path) = &options.json {
        let everything = Everything {
            conditions: &conditions,
            rounds: &rounds,
            bars: &rows,
            floors: &findings,
        };
        everything.write(path)?;
    }
    let is_fine = findings.iter().all(|finding| finding.complaint.is_none());
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
