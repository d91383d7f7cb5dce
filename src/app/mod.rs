//! The running service: the order in which its parts start, and in which they stop.
//!
//! Start: migrations, actors, relay and sweeper, private listener, public listener.
//! Stop: public listener (requests under way are finished), actors, relay (what was committed is
//! published), private listener.

mod database;
mod http_options;
mod redis_at_start;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{App as WebApp, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    actors::start::CheckoutActors,
    carts::start::Carts,
    config::{
        BACKGROUND_CONNECTIONS, Config, Protocol, RELAY_CONNECTIONS, RateLimit, Retention,
        TokenKeys,
    },
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    http::{
        answer_body, listener,
        options::Options as HttpOptions,
        server, tls,
        token::{TokenVerifier, key_set::KeySet},
        watched_file::{self, WatchedFiles},
    },
    idempotency::incarnation::Incarnation,
    log_floods,
    metrics::Metrics,
    ops::{self, KeptConnection, Ops, Remembered, redis_role},
    outages::{POSTGRESQL, REDIS},
    outbox::{
        gauges, redis_check,
        redis_stream::RedisStream,
        relay::{Limits as RelayLimits, Relay},
        sink_state::SinkReport,
    },
    sweeper,
};

/// The name of the relay's pool, and its connections.
const RELAY: (&str, u32) = ("relay", RELAY_CONNECTIONS);
/// The same of what measures and sweeps: a gauge is measured while a sweep takes its time.
const BACKGROUND: (&str, u32) = ("background", BACKGROUND_CONNECTIONS);
/// How long closing the background connections may take when we stop.
const POOL_CLOSE_MAX: Duration = Duration::from_secs(1);
/// How long the private listener may take to close.
const OPS_CLOSE_MAX_S: u64 = 1;
/// How many connections it may have: files are set aside for them.
const OPS_CONNECTIONS_MAX: usize = 100;
/// The part of the time to stop that is not for the requests under way, but for what is done afterwards:
/// one in so many.
const AFTERWARDS: u32 = 4;
/// How many batches' events may wait for the relay; those of more are found in the outbox later.
const COMMITTED_BATCHES_MAX: usize = 64;

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL did not answer in time, or its URL is malformed.
    #[error("PostgreSQL can't be used: {}{}", .0, advice_for(.0))]
    Database(#[from] db::Error),
    /// PostgreSQL could not be connected to.
    #[error(
        "PostgreSQL at {place} can't be used: {error}{}{}",
        waited_for(*waited),
        advice_for(error)
    )]
    Unreachable {
        /// Where it should be.
        place: String,
        /// How long it was waited for, if it was.
        waited: Duration,
        /// The last attempt's.
        error: db::Error,
    },
    /// A migration failed.
    #[error(transparent)]
    Migrate(#[from] db::migrations::MigrationError),
    /// The schema is older than we are, and we may not change it.
    #[error(
        "{0} migrations are missing and database.migrate_on_start is off; run `splitcart migrate`"
    )]
    NotMigrated(usize),
    /// PostgreSQL does not take what our connections begin with.
    #[error(
        "PostgreSQL refuses the settings that our connections begin with ({0}): if a pooler such as \
         PgBouncer is in front of it, give us PostgreSQL itself in SPLITCART_DATABASE_URL"
    )]
    SettingsRefused(#[source] db::Error),
    /// PostgreSQL does not get what our connections begin with.
    #[error(
        "the settings that our connections begin with do not reach PostgreSQL: a pooler in front of \
         it drops them (PgBouncer's ignore_startup_parameters); give us PostgreSQL itself in \
         SPLITCART_DATABASE_URL"
    )]
    SettingsLost,
    /// There is no room for our connections, even if nobody else had any.
    #[error("{0}")]
    TooManyConnections(String),
    /// `redis.url` or `outbox.redis_url` is malformed.
    #[error("redis.url or outbox.redis_url can't be used: {0}")]
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

fn waited_for(waited: Duration) -> String {
    if waited.is_zero() {
        return String::new();
    }
    let waited = waited.as_secs();
    format!(", after {waited} s of waiting (database.start_wait_s_max)")
}

fn advice_for(error: &db::Error) -> String {
    let advice = error.advice();
    advice.map_or_else(String::new, |advice| format!("; {advice}"))
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
    background_pools: [PgPool; 2],
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
        let metrics = Metrics::new();
        let certificate = certificate(config, &metrics)?;
        let tls = certificate
            .as_ref()
            .map(|it| tls::server_config(it.current()));
        let tls = tls.transpose()?;
        database::prepare(config, database_url).await?;
        tracing::info!("{}", described(config));
        let (committed_events, committed) = mpsc::channel(COMMITTED_BATCHES_MAX);
        let relay_pool = background_pool(config, database_url, &metrics, RELAY)?;
        let background_pool = background_pool(config, database_url, &metrics, BACKGROUND)?;
        let stream_url = config.outbox.redis_url(redis_url);
        let stream_len_max = config.outbox.stream_len_max;
        let stream = RedisStream::open(stream_url, &config.outbox.stream, stream_len_max)?;
        let sink_report = SinkReport::new(metrics.clone());
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
        let relay = Relay::new(
            relay_pool.clone(),
            stream,
            committed,
            relay_limits(config),
            sink_report.clone(),
            metrics.clone(),
        );
        let relay = actix_rt::spawn(relay.run(all_committed));
        let stream = &config.outbox.stream;
        let redis_check =
            redis_check::watch_redis(stream_url, stream, sink_report.clone(), stops.clone())?;
        let in_the_background = in_the_background(config, &background_pool, &metrics, &stops);
        let named = incarnation.clone();
        let named = actix_rt::spawn(named.keep_current(background_pool.clone(), stops.clone()));
        let ops = Ops {
            database: KeptConnection::to(database_url),
            remembered: Remembered::default(),
            redis_url: redis_url.clone(),
            checkouts: actors.desk.clone(),
            carts: carts.desk.clone(),
            directory: actors.directory.clone(),
            metrics: metrics.clone(),
            sink: sink_report.subscribe(),
            stopping: stops,
        };
        let ops = serve_ops(ops_listener, ops)?;
        let connections = http_options::connections(config);
        let options = HttpOptions {
            settings: http_options::settings(config, connections),
            database_url: database_url.clone(),
            redis_url: redis_url.clone(),
            checkouts: actors.desk.clone(),
            carts: carts.desk.clone(),
            incarnation,
            tokens: TokenVerifier::new(keys.current(), &config.auth, &metrics),
            rate_limits: http_options::rate_limits(config, &metrics),
            places: http_options::places(config, &metrics),
            bodies: http_options::bodies(config, &metrics),
            metrics,
        };
        let scheme = certificate.as_ref().map_or("http", |_| "https");
        let mut background = beside_the_listener(config, &options, keys, certificate);
        background.push(actix_rt::spawn(redis_check));
        background.extend(watch_dependencies(config, database_url, redis_url)?);
        background.extend(in_the_background);
        background.push(named);
        let http = spawn(server::serve(http_listener, options, tls)?);
        tracing::info!(
            http.addr = %http_addr,
            ops.addr = %ops_addr,
            http.connections_max = connections.in_all,
            "listening on {scheme}://{http_addr} (operations on http://{ops_addr}), up to {} \
             connections at a time",
            connections.in_all
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
            background_pools: [relay_pool, background_pool],
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
        self.stop_after(Duration::ZERO).await;
    }

    /// Says that it is not ready any more, serves on for a while, so that a balancer finds out while
    /// nobody is turned away, then finishes what was accepted and stops. All of it within
    /// `http.drain_s_max`.
    pub async fn stop_after(self, delay: Duration) {
        let ops_close_max = Duration::from_secs(OPS_CLOSE_MAX_S);
        let give_up = Instant::now() + self.drain_max.saturating_sub(ops_close_max);
        self.stopping.send_replace(true);
        if !delay.is_zero() {
            tracing::info!("stopping: not ready any more, serving on for {delay:?}");
            tokio::time::sleep(delay).await;
        }
        tracing::info!("stopping: finishing the requests under way");
        // It lets go of the requests that are not finished in time; see `server::serve`.
        let rest = self.drain_max / AFTERWARDS;
        drop(timeout_at(give_up - rest / 2, self.http.stop()).await);
        // The listener has waited for its requests, but not for tasks whose clients have gone.
        self.actors.desk.close();
        self.carts.desk.close();
        let both = async { tokio::join!(self.actors.stop(), self.carts.stop()) };
        if timeout_at(give_up - rest / 4, both).await.is_err() {
            tracing::warn!("checkouts were still running; their keys tell what became of them");
        }
        self.drained.send_replace(true);
        let mut relay = self.relay;
        let close_max = POOL_CLOSE_MAX.min(rest / 8);
        if timeout_at(give_up - close_max, &mut relay).await.is_err() {
            relay.abort();
            tracing::warn!("the relay did not finish; the next one publishes what is left");
        }
        self.background.iter().for_each(JoinHandle::abort);
        let [relays, others] = &self.background_pools;
        let closed = async { tokio::join!(relays.close(), others.close()) };
        if timeout(close_max, closed).await.is_err() {
            tracing::warn!("a connection to PostgreSQL could not be closed in time");
        }
        self.ops.stop().await;
        log_floods::tell_the_rest();
        tracing::info!("stopped");
    }
}

/// What somebody wants to know who finds a service running.
fn described(config: &Config) -> String {
    let keys = match config.auth.token_keys() {
        TokenKeys::Secret(_) => "a secret (HS256)".to_owned(),
        TokenKeys::PublicKeyFile(file) => format!("the public key in {}", file.display()),
        TokenKeys::JwksFile(file) => format!("the key set in {}", file.display()),
    };
    let limits = match config.rate_limit {
        RateLimit::On => "limited per address and user",
        RateLimit::Off => "not limited",
    };
    format!(
        "splitcart {}: {} HTTP workers, checkouts in batches of up to {} and {} transactions at a time, up to \
         {} waiting; tokens are checked with {keys}, requests are {limits}",
        env!("CARGO_PKG_VERSION"),
        config.http_workers(),
        config.batch_max,
        config.transactions_in_flight,
        config.queue_max,
    )
}

impl Listener {
    async fn stop(self) {
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.task.await {
            tracing::error!("a listener failed: {error}");
        }
    }
}

fn certificate(
    config: &Config,
    metrics: &Metrics,
) -> Result<Option<WatchedFiles<CertifiedKey>>, Error> {
    Ok(match config.http.protocol() {
        Protocol::Tls {
            cert_file,
            key_file,
        } => {
            let not_after = metrics.certificate_not_after.clone();
            Some(tls::open(cert_file, key_file, not_after)?)
        }
        Protocol::Plain | Protocol::PlainOrH2c => None,
    })
}

/// A pool for what works on this thread. The relay has one of its own, so that it waits for nobody.
fn background_pool(
    config: &Config,
    url: &SecretString,
    metrics: &Metrics,
    (name, connections_max): (&'static str, u32),
) -> Result<PgPool, db::Error> {
    let limits = PoolLimits {
        // All of it begins where an index begins.
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

/// How the relay works.
fn relay_limits(config: &Config) -> RelayLimits {
    RelayLimits {
        poll: Duration::from_millis(config.outbox.poll_ms),
        claim_max: config.outbox.claim_max,
        claim_lease: Duration::from_secs(config.outbox.claim_lease_s),
        attempts_max: config.outbox.attempts_max,
    }
}

/// What measures and sweeps, each in a task of its own: none waits for another.
fn in_the_background(
    config: &Config,
    pool: &PgPool,
    metrics: &Metrics,
    stops: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let gauges = gauges::measure(pool.clone(), metrics.clone(), stops.clone());
    let keys = sweeper::remove_expired_keys(pool.clone(), stops.clone());
    let sums = log_floods::tell_sums();
    let mut tasks = vec![
        actix_rt::spawn(gauges),
        actix_rt::spawn(keys),
        actix_rt::spawn(sums),
    ];
    if let Retention::Lasting(retention) = config.outbox.retention {
        let (pool, metrics, stops) = (pool.clone(), metrics.clone(), stops.clone());
        let events = sweeper::remove_published_events(pool, retention, metrics, stops);
        tasks.push(actix_rt::spawn(events));
    }
    tasks
}

/// What tells of PostgreSQL and Redis: which Redis there is, and when one of them is away.
fn watch_dependencies(
    config: &Config,
    database_url: &SecretString,
    redis_url: &SecretString,
) -> Result<Vec<JoinHandle<()>>, Error> {
    let url = database_url.clone();
    let postgresql = POSTGRESQL.watch(db::pool::place_of(&url)?, async move || {
        let connection = db::pool::connect(&url).await;
        connection.map(drop).map_err(|error| error.to_string())
    });
    let place = redis_role::place_of(redis_url)?;
    let url = redis_url.clone();
    let redis = REDIS.watch(place, async move || match redis_role::judge(&url).await {
        Ok(None) => Ok(()),
        Ok(Some(problem)) => Err(problem),
        Err(error) => Err(error.to_string()),
    });
    // Whether it is there at all is to be known from the start.
    REDIS.suspect();
    let which = redis_at_start::report(redis_url.clone());
    let mut tasks = vec![
        actix_rt::spawn(postgresql),
        actix_rt::spawn(redis),
        actix_rt::spawn(which),
    ];
    let of_events = config.outbox.redis_url(redis_url);
    if of_events.expose_secret() != redis_url.expose_secret() {
        tasks.push(actix_rt::spawn(redis_at_start::report_of_events(
            of_events.clone(),
        )));
    }
    Ok(tasks)
}

fn bind(addr: SocketAddr, setting: &'static str) -> Result<std::net::TcpListener, Error> {
    listener::bind(addr).map_err(|source| Error::Listen {
        setting,
        addr,
        source,
    })
}

/// What keeps the public listener up to date.
fn beside_the_listener(
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

fn serve_ops(listener: std::net::TcpListener, ops: Ops) -> io::Result<Listener> {
    let ops = web::Data::new(ops);
    let factory = move || {
        // On the thread that is going to use the connection.
        actix_rt::spawn(ops::connect_early(ops.clone()));
        WebApp::new()
            .app_data(ops.clone())
            .wrap(from_fn(answer_body::read_no_body))
            .configure(ops::configure)
    };
    let server = HttpServer::new(factory)
        .disable_signals()
        .workers(1)
        .max_connections(OPS_CONNECTIONS_MAX)
        .shutdown_timeout(OPS_CLOSE_MAX_S);
    Ok(spawn(server.listen(listener)?.run()))
}

fn spawn(server: actix_web::dev::Server) -> Listener {
    Listener {
        handle: server.handle(),
        task: actix_rt::spawn(server),
    }
}
