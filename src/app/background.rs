//! Tasks and pools beside the listeners: what measures, sweeps, reloads files and watches PostgreSQL and
//! Redis. Each is a task of its own, so that none waits for another.

use std::{sync::Arc, time::Duration};

use rustls::sign::CertifiedKey;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::{Config, Retention},
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    gauges,
    http::{options::Options as HttpOptions, token::key_set::KeySet, watched_file::WatchedFiles},
    live_orders::{hub::LiveOrders, tail},
    log_floods,
    metrics::{Metrics, event_loop},
    ops::{
        console::{
            Console, last_audit, lookups,
            sampler::{self, Sampled},
        },
        redis_role,
    },
    outages::{POSTGRESQL, REDIS},
    outbox::sink_state::SinkStates,
    sweeper,
};

use super::{Error, actors::Actors, options, redis::Targets, redis_at_start};

/// A pool for tasks on this thread. The relay has one of its own, so that it waits for no other task.
pub(super) fn background_pool(
    config: &Config,
    url: &SecretString,
    metrics: &Metrics,
    (name, connections_max): (&'static str, u32),
) -> Result<PgPool, db::Error> {
    let limits = PoolLimits {
        // Every statement of theirs walks an index from its start.
        workload: Workload::Reads,
        connections_max,
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        statement_max: Duration::from_secs(30),
        lock_wait_max: Duration::from_secs(30),
    };
    let pool = db::pool::lazy(url, &format!("splitcart {name}"), limits)?;
    metrics.watch_pool(name, pool.clone());
    Ok(pool)
}

/// Starts what sweeps and what measures.
pub(super) fn in_the_background(
    config: &Config,
    pool: &PgPool,
    metrics: &Metrics,
    followers: Vec<String>,
    stops: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let keys = sweeper::remove_expired_keys(pool.clone(), stops.clone());
    let deliveries = sweeper::remove_old_deliveries(pool.clone(), stops.clone());
    let left_out_lines = log_floods::report_every_window();
    let (server, undecided) = (
        gauges::server::measure(pool.clone(), metrics.clone(), stops.clone()),
        gauges::undecided::measure(pool.clone(), metrics.clone(), stops.clone()),
    );
    let mut tasks = vec![
        actix_rt::spawn(keys),
        actix_rt::spawn(deliveries),
        actix_rt::spawn(left_out_lines),
        actix_rt::spawn(server),
        actix_rt::spawn(undecided),
        actix_rt::spawn(event_loop::measure(metrics.clone(), "main")),
    ];
    if let Retention::Lasting(retention) = config.outbox.retention {
        let (pool, metrics, stops) = (pool.clone(), metrics.clone(), stops.clone());
        let events = sweeper::remove_published_events(pool, retention, followers, metrics, stops);
        tasks.push(actix_rt::spawn(events));
    }
    tasks
}

/// Starts what the console shows: the sampler, the lookups of vendors, the reader of the last audit.
pub(super) fn sample(
    config: &Config,
    pool: &PgPool,
    actors: &Actors,
    sinks: &SinkStates,
    metrics: &Metrics,
    stops: &watch::Receiver<bool>,
) -> (Console, [JoinHandle<()>; 3]) {
    let sampled = Sampled {
        metrics: metrics.clone(),
        checkouts: actors.desks.checkouts.clone(),
        directory: actors.directory.clone(),
        sinks: sinks.clone(),
        stopping: stops.clone(),
    };
    let (console, asked) = Console::new(options::console(config));
    let sampling = sampler::sample(console.clone(), sampled);
    let looking = lookups::look_up(console.clone(), pool.clone(), asked);
    let auditing = last_audit::follow(console.clone(), config.ops.audit_file.clone());
    let tasks = [
        actix_rt::spawn(sampling),
        actix_rt::spawn(looking),
        actix_rt::spawn(auditing),
    ];
    (console, tasks)
}

/// Starts the reader of the log for live streams.
pub(super) fn follow_orders(
    config: &Config,
    pool: &PgPool,
    metrics: &Metrics,
    stops: &watch::Receiver<bool>,
) -> (LiveOrders, JoinHandle<()>) {
    let limits = options::live_orders(config);
    let live_orders = LiveOrders::new(limits, stops.clone(), metrics.clone());
    let tail = tail::follow(live_orders.clone(), pool.clone());
    (live_orders, actix_rt::spawn(tail))
}

/// Starts what reports the Redis in use, and outages of PostgreSQL and Redis.
pub(super) fn watch_dependencies(
    database_url: &SecretString,
    targets: Targets,
) -> Result<Vec<JoinHandle<()>>, Error> {
    let url = database_url.clone();
    let postgresql = POSTGRESQL.watch(db::pool::place_of(&url)?, async move || {
        let connection = db::pool::connect(&url).await;
        connection.map(drop).map_err(|error| error.to_string())
    });
    let target = targets.of_all.clone();
    let redis = REDIS.watch(
        target.place().to_owned(),
        async move || match redis_role::find_problem(&target).await {
            Ok(None) => Ok(()),
            Ok(Some(problem)) => Err(problem),
            Err(error) => Err(error.to_string()),
        },
    );
    // An outage that began before the start is reported, too.
    REDIS.suspect();
    let which = redis_at_start::report(targets.of_all.clone());
    let mut tasks = vec![
        actix_rt::spawn(postgresql),
        actix_rt::spawn(redis),
        actix_rt::spawn(which),
    ];
    for target in targets.of_sinks {
        if !target.is(&targets.of_all) {
            tasks.push(actix_rt::spawn(redis_at_start::report_of_events(target)));
        }
    }
    Ok(tasks)
}

/// Starts what keeps the public listener up to date: keys, its certificate, and the limiter's memory.
pub(super) fn beside_the_listener(
    config: &Config,
    options: &HttpOptions,
    keys: WatchedFiles<KeySet>,
    certificate: Option<WatchedFiles<CertifiedKey>>,
) -> Vec<JoinHandle<()>> {
    let reload_every = Duration::from_millis(config.reload_files_ms);
    let metrics = || options.metrics.clone();
    let mut tasks = vec![actix_rt::spawn(keys.watch(reload_every, metrics()))];
    if let Some(certificate) = certificate {
        tasks.push(actix_rt::spawn(certificate.watch(reload_every, metrics())));
    }
    if let Some(limits) = &options.rate_limits {
        tasks.push(actix_rt::spawn(Arc::clone(limits).forget_the_idle()));
    }
    tasks
}
