//! `events-bench`: kills, freezes and empties the brokers behind the sinks while checkouts' events pass, and
//! then holds the table of each sink's consumer against the outbox.
//!
//! | step | file |
//! |---|---|
//! | the options | `options` |
//! | the service, the load, and publishing again | `service` |
//! | the brokers and what is done to them | `brokers` |
//! | the consumers and their tables | `consumers` |
//! | how far the sinks are behind | `lag` |
//! | the result | `report` |

mod brokers;
mod consumers;
mod lag;
mod options;
mod report;
mod service;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::ensure;
use chrono::Utc;
use clap::Parser;
use splitcart::{cli::signals, db::pool};
use sqlx::PgConnection;

use crate::db::events;

use self::{
    consumers::Consumer,
    lag::LagWatch,
    options::{Fault, Options},
    report::{Report, SinkReport},
};

pub(crate) use self::{
    brokers::Broker,
    lag::{Lag, note_lag},
    options::SinkName,
    service::Service,
};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let result = actix_rt::System::new().block_on(unless_stopped(&options));
    result.unwrap_or_else(|error| {
        eprintln!("events: {error:#}");
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
    let temporary = tempfile::tempdir()?;
    let logs = options.logs.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(logs)?;
    eprintln!("starting PostgreSQL, Redis, the brokers and the server …");
    let began = Utc::now();
    let mut brokers = Vec::new();
    for sink in &options.sinks {
        brokers.push(Broker::start(*sink).await?);
    }
    let service = Service::start_with(&brokers, logs, &[]).await?;
    let url = service.services.database_url();
    let mut connection = pool::connect(&url.into()).await?;
    let names: Vec<_> = brokers.iter().map(|broker| broker.name.name()).collect();
    events::make_tables(&mut connection, &names).await?;
    let mut consumers = Vec::new();
    for broker in &brokers {
        consumers.push(Consumer::start(broker, url).await?);
    }
    let watch = LagWatch::start(service.ops);

    eprintln!("{} checkouts …", options.count);
    let loaded = Instant::now();
    let mut faults = BTreeMap::new();
    {
        let ill_treating = ill_treat(&mut brokers, options, &mut faults);
        tokio::pin!(ill_treating);
        let driving = service.drive(options);
        tokio::pin!(driving);
        tokio::select! {
            driven = &mut driving => driven?,
            // It ends only with an error.
            failed = &mut ill_treating => failed?,
        }
    }
    heal(&mut brokers).await?;
    let load_s = loaded.elapsed().as_secs_f64();

    for broker in brokers.iter().filter(|broker| broker.was_emptied()) {
        let sink = broker.name.name();
        eprintln!("publishing again to {sink}, which was emptied …");
        service.republish(sink, began).await?;
    }
    let settled = Instant::now();
    until_settled(&mut connection, &consumers, &names, options.settle).await?;
    let settled_s = settled.elapsed().as_secs_f64();
    let lags = watch.seen();
    let mut report = Report {
        events: events::count_events(&mut connection).await?,
        load_s,
        settled_s,
        faults,
        blamed: events::count_blamed(&mut connection).await?,
        sinks: Vec::new(),
    };
    for (broker, consumer) in brokers.iter().zip(&consumers) {
        let sink = broker.name.name();
        report.sinks.push(SinkReport {
            sink: sink.to_owned(),
            was_emptied: broker.was_emptied(),
            republished: broker.was_emptied(),
            compared: events::compare(&mut connection, sink).await?,
            received: consumer.received(),
            lag: lags.get(sink).copied().unwrap_or_default(),
        });
    }
    drop((watch, consumers));
    service.stop().await?;
    report.print();
    if let Some(path) = &options.json {
        report.write(path)?;
    }
    Ok(if report.is_fine() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Does one thing after the other to one broker after the other.
async fn ill_treat(
    brokers: &mut [Broker],
    options: &Options,
    counts: &mut BTreeMap<String, u32>,
) -> anyhow::Result<()> {
    if options.faults.contains(&Fault::None) {
        return std::future::pending().await;
    }
    for round in 0.. {
        tokio::time::sleep(options.every).await;
        let index = round % brokers.len();
        let fault = options.faults[round / brokers.len() % options.faults.len()];
        let broker = &mut brokers[index];
        let what = format!("{} {}", broker.name.name(), fault.name());
        eprintln!("{what} …");
        *counts.entry(what).or_default() += 1;
        broker.suffer(fault, options.lasting).await?;
    }
    Ok(())
}

/// Ends what the end of the load has cut short.
async fn heal(brokers: &mut [Broker]) -> anyhow::Result<()> {
    for broker in brokers {
        broker.heal().await?;
    }
    Ok(())
}

/// Waits until each consumer has as many events as there are, or for as long as is allowed.
async fn until_settled(
    connection: &mut PgConnection,
    consumers: &[Consumer],
    names: &[&str],
    limit: Duration,
) -> anyhow::Result<()> {
    let give_up = Instant::now() + limit;
    while Instant::now() < give_up {
        ensure!(
            consumers.iter().all(Consumer::is_running),
            "a consumer has ended by itself"
        );
        let mut missing = 0;
        for name in names {
            missing += events::compare(connection, name).await?.missing;
        }
        if missing == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
