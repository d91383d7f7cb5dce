//! The running service: the order in which its parts start, and in which they stop.
//!
//! Start: migrations, actors, relay and sweeper, private listener, public listener.
//! Stop: public listener (requests under way are finished), actors, relay (what was committed is
//! published), private listener.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App as WebApp, HttpServer, dev::ServerHandle, web};
use rustls::sign::CertifiedKey;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    actors::start::CheckoutActors,
    carts::start::Carts,
    config::{Config, Protocol},
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    http::{
        rate_limit::RateLimits,
        server::{self, Front},
        tls,
        token::{TokenVerifier, key_set::KeySet},
        watched_file::{self, WatchedFiles},
    },
    idempotency::incarnation::Incarnation,
    metrics::Metrics,
    ops::{self, Ops},
    outbox::{
        redis_stream::RedisStream,
        relay::{Limits as RelayLimits, Relay},
    },
    sweeper,
};

/// How long closing the background connections may take when we stop.
const POOL_CLOSE_MAX: Duration = Duration::from_secs(1);
/// How many batches' events may wait for the relay; those of more are found in the outbox later.
const COMMITTED_BATCHES_MAX: usize = 64;
/// How long the relay may take to publish what is left when we stop.
const LAST_ROUND_MAX: Duration = Duration::from_secs(10);

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL did not answer in time, or its URL is malformed.
    #[error("PostgreSQL can't be used: {0}")]
    Database(#[from] db::Error),
    /// A migration failed.
    #[error("the migrations can't be applied: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema is older than we are, and we may not change it.
    #[error(
        "{0} migrations are missing and database.migrate_on_start is off; run `splitcart migrate`"
    )]
    NotMigrated(usize),
    /// `redis.url` is malformed.
    #[error("redis.url can't be used: {0}")]
    Redis(#[from] redis::RedisError),
    /// An address is taken or not ours.
    #[error("can't listen on {addr}: {source}; choose another address with {setting}")]
    Listen {
        /// The variable of the setting that chose the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A key of tokens or a certificate can't be used.
    #[error(transparent)]
    File(#[from] watched_file::Error),
    /// TLS can't be offered.
    #[error("TLS can't be offered: {0}")]
    Tls(#[from] rustls::Error),
    /// A listener failed.
    #[error("a listener failed: {0}")]
    Serve(#[from] io::Error),
}

/// A running service.
#[derive(Debug)]
pub struct App {
    http_addr: SocketAddr,
    ops_addr: SocketAddr,
    http: Listener,
    ops: Listener,
    actors: CheckoutActors,
    carts: Carts,
    relay: JoinHandle<()>,
    /// What has no end of its own and nothing to finish.
    background: Vec<JoinHandle<()>>,
    background_pool: PgPool,
    drain_max: Duration,
    stopping: watch::Sender<bool>,
    drained: watch::Sender<bool>,
}

#[derive(Debug)]
struct Listener {
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
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
        let keys = KeySet::open(&config.auth)?;
        let certificate = match config.http.protocol() {
            Protocol::Tls {
                cert_file,
                key_file,
            } => Some(tls::open(cert_file, key_file)?),
            Protocol::Plain | Protocol::PlainOrH2c => None,
        };
        let tls = certificate
            .as_ref()
            .map(|it| tls::server_config(it.current()));
        let tls = tls.transpose()?;
        prepare_schema(config, database_url).await?;
        let metrics = Metrics::new();
        let (committed_events, committed) = mpsc::channel(COMMITTED_BATCHES_MAX);
        let relay_pool = background_pool(config, database_url, &metrics)?;
        let stream_len_max = config.outbox.stream_len_max;
        let stream = RedisStream::open(redis_url, &config.outbox.stream, stream_len_max)?;
        let http_listener = bind(config.http.addr, "SPLITCART_HTTP_ADDR")?;
        let ops_listener = bind(config.ops.addr, "SPLITCART_OPS_ADDR")?;
        let (http_addr, ops_addr) = (http_listener.local_addr()?, ops_listener.local_addr()?);

        let incarnation = Incarnation::read(&relay_pool).await?;
        let actors =
            CheckoutActors::start(config, database_url, &metrics, committed_events).await?;
        let carts = Carts::start(config, database_url, &metrics).await?;
        let (stopping, stops) = watch::channel(false);
        // The relay's own: it must outlive the last commit.
        let (drained, all_committed) = watch::channel(false);
        let relay = Relay {
            pool: relay_pool.clone(),
            stream,
            committed,
            limits: RelayLimits {
                poll: Duration::from_millis(config.outbox.poll_ms),
                claim_max: config.outbox.claim_max,
                claim_lease: Duration::from_secs(config.outbox.claim_lease_s),
                attempts_max: config.outbox.attempts_max,
            },
            metrics: metrics.clone(),
        };
        let relay = actix_rt::spawn(relay.run(all_committed));
        let named = incarnation.clone();
        let named = actix_rt::spawn(named.keep_current(relay_pool.clone(), stops.clone()));
        let sweeper = actix_rt::spawn(sweeper::run(relay_pool.clone(), stops.clone()));
        let ops = Ops {
            database_url: database_url.clone(),
            redis_url: redis_url.clone(),
            directory: actors.directory.clone(),
            metrics: metrics.clone(),
            stopping: stops,
        };
        let ops = serve_ops(ops_listener, ops)?;
        let front = Front {
            config: config.clone(),
            database_url: database_url.clone(),
            redis_url: redis_url.clone(),
            desk: actors.desk.clone(),
            carts: carts.desk.clone(),
            incarnation,
            tokens: TokenVerifier::new(keys.current()),
            rate_limits: RateLimits::new(config, &metrics),
            metrics,
        };
        let scheme = if certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let mut background = beside_the_listener(config, &front, keys, certificate);
        background.extend([sweeper, named]);
        let http = spawn(server::serve(http_listener, front, tls)?);
        tracing::info!(
            http.addr = %http_addr,
            ops.addr = %ops_addr,
            "listening on {scheme}://{http_addr} (operations on http://{ops_addr})"
        );
        Ok(Self {
            http_addr,
            ops_addr,
            http,
            ops,
            actors,
            carts,
            relay,
            background,
            background_pool: relay_pool,
            drain_max: Duration::from_secs(config.http.drain_s_max),
            stopping,
            drained,
        })
    }

    /// Where the public listener is.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the private listener is.
    pub fn ops_addr(&self) -> SocketAddr {
        self.ops_addr
    }

    /// Finishes what was accepted and stops.
    pub async fn stop(self) {
        tracing::info!("stopping: finishing the requests under way");
        self.stopping.send_replace(true);
        self.http.stop().await;
        // The listener has waited for its requests, but not for tasks whose clients have gone.
        self.actors.desk.close();
        self.carts.desk.close();
        let both = async { tokio::join!(self.actors.stop(), self.carts.stop()) };
        if tokio::time::timeout(self.drain_max, both).await.is_err() {
            tracing::warn!("checkouts were still running; their keys tell what became of them");
        }
        self.drained.send_replace(true);
        let mut relay = self.relay;
        if tokio::time::timeout(LAST_ROUND_MAX, &mut relay)
            .await
            .is_err()
        {
            relay.abort();
            tracing::warn!("the relay did not finish; the next one publishes what is left");
        }
        self.background.iter().for_each(JoinHandle::abort);
        if tokio::time::timeout(POOL_CLOSE_MAX, self.background_pool.close())
            .await
            .is_err()
        {
            tracing::warn!("a connection to PostgreSQL could not be closed in time");
        }
        self.ops.stop().await;
        tracing::info!("stopped");
    }
}

impl Listener {
    async fn stop(self) {
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.task.await {
            tracing::error!("a listener failed: {error}");
        }
    }
}

async fn prepare_schema(config: &Config, url: &SecretString) -> Result<(), Error> {
    let mut connection = connect_patiently(config, url).await?;
    if config.database.migrate_on_start {
        return Ok(db::pool::migrate(&mut connection).await?);
    }
    match db::pool::missing_migrations(&mut connection).await? {
        0 => Ok(()),
        missing => Err(Error::NotMigrated(missing)),
    }
}

/// PostgreSQL may be starting at the same time as we are.
async fn connect_patiently(
    config: &Config,
    url: &SecretString,
) -> Result<sqlx::PgConnection, db::Error> {
    let give_up = Instant::now() + Duration::from_secs(config.database.start_wait_s_max);
    loop {
        match db::pool::connect(url).await {
            Err(error) if error.fault() == db::Fault::Unreachable && Instant::now() < give_up => {
                tracing::warn!("waiting for PostgreSQL: {error}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            result => return result,
        }
    }
}

/// For the relay and the sweeper, which work on this thread.
fn background_pool(
    config: &Config,
    url: &SecretString,
    metrics: &Metrics,
) -> Result<PgPool, db::Error> {
    let limits = PoolLimits {
        workload: Workload::Background,
        connections_max: 2,
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        statement_max: Duration::from_secs(30),
        lock_wait_max: Duration::from_secs(30),
    };
    let pool = db::pool::lazy(url, "splitcart background", limits)?;
    metrics.watch_pool("background", pool.clone());
    Ok(pool)
}

fn bind(addr: SocketAddr, setting: &'static str) -> Result<std::net::TcpListener, Error> {
    std::net::TcpListener::bind(addr).map_err(|source| Error::Listen {
        setting,
        addr,
        source,
    })
}

/// What keeps the public listener up to date.
fn beside_the_listener(
    config: &Config,
    front: &Front,
    keys: WatchedFiles<KeySet>,
    certificate: Option<WatchedFiles<CertifiedKey>>,
) -> Vec<JoinHandle<()>> {
    let reload_every = Duration::from_millis(config.reload_files_ms);
    let mut tasks = vec![actix_rt::spawn(keys.watch(reload_every))];
    if let Some(certificate) = certificate {
        tasks.push(actix_rt::spawn(certificate.watch(reload_every)));
    }
    if let Some(limits) = &front.rate_limits {
        tasks.push(actix_rt::spawn(Arc::clone(limits).forget_the_idle()));
    }
    tasks
}

fn serve_ops(listener: std::net::TcpListener, ops: Ops) -> io::Result<Listener> {
    let ops = web::Data::new(ops);
    let factory = move || {
        WebApp::new()
            .app_data(ops.clone())
            .configure(ops::configure)
    };
    let server = HttpServer::new(factory)
        .disable_signals()
        .workers(1)
        .shutdown_timeout(1);
    Ok(spawn(server.listen(listener)?.run()))
}

fn spawn(server: actix_web::dev::Server) -> Listener {
    Listener {
        handle: server.handle(),
        task: actix_rt::spawn(server),
    }
}
