//! The running service: the order in which its parts start, and the order in which they stop.
//!
//! Start: migrations, actors, relay and sweeper, private listener, public listener.
//! Stop: public listener (requests under way are finished), actors, relay (what was committed is
//! published), private listener.

pub mod actors;
mod background;
pub(crate) mod database;
mod error;
mod ground;
pub(crate) mod http_options;
mod late_orders;
mod listeners;
pub mod options;
pub mod redis;
pub(crate) mod redis_at_start;
mod sinks;
pub mod telemetry;
mod webhooks;

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    carts::start::Carts,
    config::{Config, Protocol},
    http::{
        connection::place::Connections, options::Options as HttpOptions, server,
        token::TokenVerifier,
    },
    idempotency::incarnation::Incarnation,
    log_floods,
    ops::{KeptConnection, Ops, Remembered, console::Console},
    outbox::start::{self as outbox, Outbox, Pools as OutboxPools},
};

use self::{
    actors::Actors,
    background::{
        beside_the_listener, follow_orders, in_the_background, sample, watch_dependencies,
    },
    ground::Ground,
    listeners::{Listener, OPS_CLOSE_MAX_S, serve_ops},
    telemetry::Tracing,
};

pub use self::error::Error;

/// The longest time that closing the background connections may take at a stop.
const POOL_CLOSE_MAX: Duration = Duration::from_secs(1);
/// One part in so many of the time to stop is kept for what follows the requests under way.
const AFTERWARDS: u32 = 4;
/// The most batches whose events may wait for the relay; events of further batches are found in the outbox
/// later.
const COMMITTED_BATCHES_MAX: usize = 64;

/// A running service.
#[derive(Debug)]
pub struct App {
    http_addr: SocketAddr,
    ops_addr: SocketAddr,
    http: Listener,
    ops: Listener,
    actors: Actors,
    carts: Carts,
    console: Console,
    /// What publishes events, and finishes what was committed.
    publishing: Vec<JoinHandle<()>>,
    /// Tasks that have no end of their own and nothing to finish.
    background: Vec<JoinHandle<()>>,
    background_pools: [PgPool; 3],
    tracing: Option<Tracing>,
    drain_max: Duration,
    stopping: watch::Sender<bool>,
    /// True when the public listener closes.
    closing: watch::Sender<bool>,
    drained: watch::Sender<bool>,
}

impl App {
    /// Starts everything against a PostgreSQL and a Redis that run somewhere. Must be called inside
    /// an actix system.
    ///
    /// # Errors
    /// See [`Error`]; nothing is left running.
    pub async fn start(
        config: &Config,
        database_url: &SecretString,
        redis_url: &SecretString,
    ) -> Result<Self, Error> {
        let ground = Ground::lay(config, database_url, redis_url).await?;
        let Ground {
            metrics,
            redis,
            relay_pool,
            background_pool,
            ..
        } = ground;
        let (http_addr, ops_addr) = (ground.http.local_addr()?, ground.ops.local_addr()?);

        let (committed_events, committed) = mpsc::channel(COMMITTED_BATCHES_MAX);
        let incarnation = Incarnation::read(&relay_pool).await?;
        let (actors, carts) = (options::actors(config), options::carts(config));
        let actors = Actors::start(actors, database_url, &metrics, committed_events).await?;
        let carts = Carts::start(carts, database_url, &metrics).await?;
        let (stopping, stops) = watch::channel(false);
        // The relay's own: it must outlive the last commit.
        let (drained, all_committed) = watch::channel(false);
        let pools = OutboxPools {
            sinks: relay_pool.clone(),
            background: background_pool.clone(),
        };
        let outbox = options::outbox(config, &redis.of_sinks);
        let Outbox {
            publishing,
            background: beside_the_sinks,
            states: sinks,
            follower_names,
        } = outbox::start(outbox, &pools, &metrics, committed, all_committed, &stops).await?;
        let (webhooks, webhook_pool) = webhooks::start(config, database_url, &metrics, &stops)?;
        let in_the_background =
            in_the_background(config, &background_pool, &metrics, follower_names, &stops);
        let orders = actors.desks.orders.clone();
        let late_orders = late_orders::expire(config, &background_pool, orders, &metrics, &stops);
        let named = incarnation.clone();
        let named = actix_rt::spawn(named.keep_current(background_pool.clone(), stops.clone()));
        // While the service is stopping and serves on, streams stay open, and others are opened.
        let (closing, closes) = watch::channel(false);
        let (live_orders, tail) = follow_orders(config, &background_pool, &metrics, &closes);
        let (console, sampling) =
            sample(config, &background_pool, &actors, &sinks, &metrics, &stops);
        let ops = Ops {
            console: console.clone(),
            database: KeptConnection::to(database_url),
            remembered: Remembered::default(),
            redis: redis.of_all.clone(),
            checkouts: actors.desks.checkouts.clone(),
            carts: carts.desk.clone(),
            orders: actors.desks.orders.clone(),
            counts: actors.desks.counts.clone(),
            directory: actors.directory.clone(),
            metrics: metrics.clone(),
            sinks,
            is_debug_enabled: config.ops.debug,
            stopping: stops,
        };
        let ops = serve_ops(ground.ops, ops)?;
        let connections = http_options::connections(config);
        let http_options = HttpOptions {
            settings: http_options::settings(config, connections),
            database_url: database_url.clone(),
            redis: redis.of_all.clone(),
            checkouts: actors.desks.checkouts.clone(),
            carts: carts.desk.clone(),
            orders: actors.desks.orders.clone(),
            counts: actors.desks.counts.clone(),
            live_orders,
            incarnation,
            tokens: TokenVerifier::new(ground.keys.current(), &config.auth, &metrics),
            rate_limits: http_options::rate_limits(config, &metrics),
            places: http_options::places(config, &metrics),
            bodies: http_options::bodies(config, &metrics),
            traces: ground.tracing.as_ref().map(|it| it.traces.clone()),
            metrics,
        };
        let mut background =
            beside_the_listener(config, &http_options, ground.keys, ground.certificate);
        background.extend(beside_the_sinks);
        background.extend(watch_dependencies(database_url, redis)?);
        background.extend(in_the_background.into_iter().chain(late_orders));
        background.extend([named, webhooks, tail]);
        background.extend(sampling);
        let http = listeners::spawn(server::serve(ground.http, http_options, ground.tls)?);
        report_listening(config, http_addr, ops_addr, connections);
        Ok(Self {
            http_addr,
            ops_addr,
            http,
            ops,
            actors,
            carts,
            console,
            publishing,
            background,
            background_pools: [relay_pool, background_pool, webhook_pool],
            tracing: ground.tracing,
            drain_max: Duration::from_secs(config.http.drain_s_max),
            stopping,
            closing,
            drained,
        })
    }

    /// The address of the public listener.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// The address of the private listener.
    pub fn ops_addr(&self) -> SocketAddr {
        self.ops_addr
    }

    /// Finishes what was accepted and stops.
    pub async fn stop(self) {
        self.stop_after(Duration::ZERO).await;
    }

    /// Reports not ready, serves on for a while, so that a balancer finds out while no request is
    /// refused, then finishes the accepted requests and stops. All of it within `http.drain_s_max`.
    pub async fn stop_after(self, delay: Duration) {
        let ops_close_max = Duration::from_secs(OPS_CLOSE_MAX_S);
        let give_up = Instant::now() + self.drain_max.saturating_sub(ops_close_max);
        self.stopping.send_replace(true);
        if !delay.is_zero() {
            tracing::info!("stopping: not ready any more, serving on for {delay:?}");
            tokio::time::sleep(delay).await;
        }
        self.closing.send_replace(true);
        tracing::info!("stopping: finishing the requests under way");
        // Requests that are not finished in time are dropped; see `server::serve`.
        let rest = self.drain_max / AFTERWARDS;
        drop(timeout_at(give_up - rest / 2, self.http.stop()).await);
        // The listener has waited for its requests, but not for tasks whose clients have hung up.
        self.actors.desks.close();
        self.carts.desk.close();
        let both = async { tokio::join!(self.actors.stop(), self.carts.stop()) };
        if timeout_at(give_up - rest / 4, both).await.is_err() {
            tracing::warn!(
                "checkouts were still running; a retry under their keys finds out what became of them"
            );
        }
        self.drained.send_replace(true);
        let mut publishing = self.publishing;
        let close_max = POOL_CLOSE_MAX.min(rest / 8);
        let published = join_all(publishing.iter_mut());
        if timeout_at(give_up - close_max, published).await.is_err() {
            publishing.iter().for_each(JoinHandle::abort);
            tracing::warn!("a sink did not finish; the next start publishes what is left");
        }
        self.background.iter().for_each(JoinHandle::abort);
        // Beside each other: neither waits for the other.
        let closed = join_all(self.background_pools.iter().map(PgPool::close));
        let sent = async {
            if let Some(tracing) = self.tracing {
                tracing.stop(close_max).await;
            }
        };
        let (closed, ()) = tokio::join!(timeout(close_max, closed), sent);
        if closed.is_err() {
            tracing::warn!("a connection to PostgreSQL could not be closed in time");
        }
        self.console.close();
        self.ops.stop().await;
        log_floods::report_left_out();
        tracing::info!("stopped");
    }
}

fn report_listening(
    config: &Config,
    http_addr: SocketAddr,
    ops_addr: SocketAddr,
    connections: Connections,
) {
    let scheme = match config.http.protocol() {
        Protocol::Tls { .. } => "https",
        Protocol::Plain | Protocol::PlainOrH2c => "http",
    };
    tracing::info!(
        http.addr = %http_addr,
        ops.addr = %ops_addr,
        http.connections_max = connections.in_all,
        "listening on {scheme}://{http_addr} (operations on http://{ops_addr}), up to {} connections at a \
         time",
        connections.in_all
    );
}
