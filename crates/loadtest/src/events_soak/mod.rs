//! `events-soak`: keeps events coming at a rate for a long time, holds a snapshot open for a part of it, and
//! draws what becomes of the sinks' lag, of the outbox and of checkouts.
//!
//! An hour of checkouts at the full rate would fill a disk with orders. So checkouts come at a rate of their
//! own, and the rest of the events is inserted into the outbox as another instance would.
//!
//! | step | file |
//! |---|---|
//! | the options | `options` |
//! | events without orders | `writer` |
//! | what is looked at every few seconds | `samples` |
//! | the plot | `picture` |

mod options;
mod picture;
mod samples;
mod writer;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Parser;
use splitcart::{cli::signals, db};

use crate::{
    chart,
    db::soak,
    events_bench::{Broker, Service},
};

use self::{
    options::Options,
    picture::Soak,
    samples::{Sample, Sampler},
};

/// The time that sinks may take to get everything after the load.
const SETTLE_MAX: Duration = Duration::from_mins(2);

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let result = actix_rt::System::new().block_on(unless_stopped(&options));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("events-soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn unless_stopped(options: &Options) -> anyhow::Result<()> {
    let stop_signal = signals::stop_signal()?;
    tokio::select! {
        result = run(options) => result,
        () = stop_signal => Err(anyhow::anyhow!("stopped by a signal")),
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let logs = tempfile::tempdir()?;
    eprintln!("starting PostgreSQL, Redis, the brokers and the server …");
    let mut brokers = Vec::new();
    for sink in &options.sinks {
        brokers.push(Broker::start(*sink).await?);
    }
    let retention = humantime::format_duration(options.retention).to_string();
    let settings = [("SPLITCART_OUTBOX_RETENTION", retention.replace(' ', ""))];
    let service = Service::start_with(&brokers, logs.path(), &settings).await?;
    let url = service.services.database_url().to_owned();
    let mut looker = Sampler::new(&url, service.ops).await?;
    let rest = options.events_per_s.saturating_sub(options.checkouts_per_s);
    let writing = actix_rt::spawn(writer::write(url.clone(), rest));
    let started = Instant::now();
    let mut samples = Vec::new();
    {
        let driving = service.check_out(options.checkouts_per_s, options.duration);
        tokio::pin!(driving);
        let mut snapshot = None;
        loop {
            let next = started + options.every * u32::try_from(samples.len() + 1)?;
            tokio::select! {
                driven = &mut driving => {
                    driven?;
                    break;
                }
                () = tokio::time::sleep_until(next.into()) => {}
            }
            let elapsed = started.elapsed();
            let is_open = elapsed >= options.snapshot_after
                && elapsed < options.snapshot_after + options.snapshot_for;
            match (&snapshot, is_open) {
                (None, true) => snapshot = Some(soak::open_snapshot(&url).await?),
                (Some(_), false) => snapshot = None,
                _ => {}
            }
            let sample = looker.look(elapsed, snapshot.is_some()).await?;
            eprintln!("{sample}");
            samples.push(sample);
        }
    }
    ensure!(!writing.is_finished(), "the writer of events has ended");
    writing.abort();
    let waits = settle(&mut looker, started).await?;
    samples.extend(waits);
    let mut connection = db::pool::connect(&url.into()).await?;
    let unpublished = crate::db::unpublished(&mut connection).await?;
    service.stop().await?;
    let soak = Soak {
        sinks: options.sinks.iter().map(|sink| sink.name()).collect(),
        samples,
    };
    report(&soak, unpublished);
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&soak)?;
        std::fs::write(path, json).with_context(|| format!("can't write {}", path.display()))?;
    }
    if let Some(path) = &options.plot {
        chart::write(&soak, path)?;
    }
    ensure!(
        unpublished == 0,
        "{unpublished} events are unpublished {SETTLE_MAX:?} after the end"
    );
    Ok(())
}

/// Looks on until nothing waits.
async fn settle(looker: &mut Sampler, started: Instant) -> anyhow::Result<Vec<Sample>> {
    let ended = Instant::now();
    let mut samples = Vec::new();
    while ended.elapsed() < SETTLE_MAX {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let sample = looker.look(started.elapsed(), false).await?;
        let is_over = sample.sinks.values().all(|lag| lag.waiting == 0.0);
        samples.push(sample);
        if is_over {
            break;
        }
    }
    Ok(samples)
}

fn report(soak: &Soak, unpublished: i64) {
    let greatest = |of: &dyn Fn(&Sample) -> f64| soak.samples.iter().map(of).fold(0.0, f64::max);
    let published = soak.samples.last().map_or(0.0, |last| {
        last.sinks
            .values()
            .map(|lag| lag.published)
            .fold(0.0, f64::max)
    });
    println!("published to each sink: {published} at least");
    println!("unpublished at the end: {unpublished}");
    for sink in &soak.sinks {
        let lag = greatest(&|it| it.sinks.get(*sink).map_or(0.0, |lag| lag.oldest_s));
        println!("greatest lag of {sink}: {lag:.2} s");
    }
    println!("largest outbox: {:.0} MB", greatest(&|it| it.outbox_mb));
    println!(
        "largest index of what is unpublished: {:.1} MB",
        greatest(&|it| it.index_mb)
    );
}
