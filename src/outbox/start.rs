//! Starts what publishes events: the relay for the primary sink, a follower for each other one, and what
//! measures and watches them.

use std::time::Duration;

use sqlx::PgPool;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    db::{
        self,
        outbox::{ClaimedEvent, Primary},
    },
    metrics::Metrics,
};

use super::{
    delivery::Delivery,
    follower::{self, Follower},
    lag_gauges,
    relay::{Limits as RelayLimits, Relay},
    sequencer,
    sink::{
        options::{SinkKind, SinkOptions},
        redis_stream::concerns,
        webhook::Repeats,
    },
    sink_state::{SinkReport, SinkStates},
};

/// The time limit of finding the primary sink and adding followers.
const PREPARE_MAX: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Options {
    /// At least one. The first is the primary one if none of them was before.
    pub sinks: Vec<SinkOptions>,
    pub relay: RelayLimits,
}

#[derive(Clone, Debug)]
pub struct Pools {
    /// Nothing else uses it, so that no publication waits for other work: a connection for each sink.
    pub sinks: PgPool,
    /// For what measures and sequences.
    pub background: PgPool,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] db::Error);

/// What runs.
#[derive(Debug)]
pub struct Outbox {
    /// The relay and the followers. They end when they are told that everything is committed; the relay
    /// publishes that first.
    pub publishing: Vec<JoinHandle<()>>,
    /// Tasks that have nothing to finish.
    pub background: Vec<JoinHandle<()>>,
    pub states: SinkStates,
    /// The names of the sinks that are not the primary one.
    pub follower_names: Vec<String>,
}

/// Starts everything. `committed` delivers the events of this process, claimed when they were written;
/// `all_committed` becomes true after the last commit.
pub async fn start(
    options: Options,
    pools: &Pools,
    metrics: &Metrics,
    committed: mpsc::Receiver<Vec<ClaimedEvent>>,
    all_committed: watch::Receiver<bool>,
    stopping: &watch::Receiver<bool>,
) -> Result<Outbox, StartError> {
    let names: Vec<_> = options.sinks.iter().map(|sink| sink.name.clone()).collect();
    let primary = prepare(&pools.sinks, &names).await?;
    tracing::info!("events go to {}", described(&options.sinks, &primary));
    let mut states = SinkStates::default();
    let mut background = Vec::new();
    let mut publishing = Vec::new();
    let mut primary_delivery = None;
    for sink in &options.sinks {
        let report = SinkReport::new(&sink.name, metrics.clone());
        states.add(&report);
        if let SinkKind::RedisStream(redis) = &sink.kind {
            let (report, stopping) = (report.clone(), stopping.clone());
            let watch = concerns::watch_redis(&redis.redis, &redis.stream, report, stopping);
            background.push(actix_rt::spawn(watch));
        }
        let delivery = Delivery::to(sink.open(&pools.sinks, Repeats::LeftOut), report);
        if sink.name == primary {
            primary_delivery = Some(delivery);
        } else {
            let limits = follower::Limits {
                batch_max: options.relay.claim_max,
                attempts_max: options.relay.attempts_max,
            };
            let follower = Follower::new(pools.sinks.clone(), delivery, limits);
            publishing.push(actix_rt::spawn(follower.run(all_committed.clone())));
        }
    }
    let delivery = primary_delivery.expect("the primary sink is one of those that are configured");
    let relay = Relay::new(pools.sinks.clone(), delivery, committed, options.relay);
    publishing.push(actix_rt::spawn(relay.run(all_committed)));
    let follower_names: Vec<_> = names.into_iter().filter(|name| *name != primary).collect();
    background.push(actix_rt::spawn(lag_gauges::measure(
        pools.background.clone(),
        metrics.clone(),
        primary,
        follower_names.clone(),
        stopping.clone(),
    )));
    background.push(actix_rt::spawn(sequencer::sequence(
        pools.background.clone(),
        stopping.clone(),
    )));
    Ok(Outbox {
        publishing,
        background,
        states,
        follower_names,
    })
}

/// The sinks with their kinds, the primary one first.
fn described(sinks: &[SinkOptions], primary: &str) -> String {
    let (first, others): (Vec<_>, Vec<_>) = sinks.iter().partition(|sink| sink.name == primary);
    let first = first
        .into_iter()
        .map(|sink| format!("{} ({}, the primary sink)", sink.name, sink.kind.name()));
    let others = others
        .into_iter()
        .map(|sink| format!("{} ({})", sink.name, sink.kind.name()));
    first.chain(others).collect::<Vec<_>>().join(", ")
}

/// Finds the primary sink, and adds the others as followers.
async fn prepare(pool: &PgPool, names: &[String]) -> Result<String, db::Error> {
    let found = db::within(pool, PREPARE_MAX, async |connection| {
        db::outbox::settle_sinks(connection, names).await
    });
    let Primary { name, replaces } = found.await?;
    if let Some(before) = replaces {
        tracing::warn!(
            "the primary sink is now {name}: {before}, which was before, is not among the sinks of this \
             instance. {before} does not get what it had yet to take. If that was a mistake, give all \
             instances the same [[outbox.sinks]] and restart one"
        );
    }
    Ok(name)
}
