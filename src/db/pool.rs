//! Connections to PostgreSQL, their settings, and pools of them.
//!
//! A socket belongs to the runtime that opened it, so every thread that talks to PostgreSQL opens a pool of
//! its own.

use std::{
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row, SqlSafeStr, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    address::{Address, Pooling, Wanted},
    error::{Doing, Error},
    lending::take,
    login_backoff,
    pooled::{self, READ_COMMITTED},
    primary,
    session_settings::{self, Scope, as_columns, pin_synchronous_commit},
    stale_connections,
};

/// The idle time after which a connection is pinged before it is used again.
const PINGED_AFTER: Duration = Duration::from_secs(1);

const PING_WAIT_MAX: Duration = Duration::from_millis(250);

/// The kind of statements that a pool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Lookups of any number of rows by their keys.
    KeyLookups,
    /// Those lookups, and the beginnings of lists that an index has in their sequence.
    Reads,
}

impl Workload {
    /// The settings of PostgreSQL's planner.
    pub fn planner_settings(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        session_settings::of_planner(self)
    }

    /// The number and the lifetime of connections.
    fn pool_options(self, connections_max: u32) -> PgPoolOptions {
        let options = PgPoolOptions::new().max_connections(connections_max);
        match self {
            // Few connections that are rarely idle: they stay open, so that a crowd of other clients can't
            // take their places at the server.
            Self::KeyLookups => options
                .min_connections(connections_max)
                .idle_timeout(None)
                .max_lifetime(None),
            Self::Reads => options,
        }
    }
}

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The kind of statements.
    pub workload: Workload,
    /// The most connections.
    pub connections_max: u32,
    /// The longest wait for a connection.
    pub acquire_wait_max: Duration,
    /// PostgreSQL's `statement_timeout` and `idle_in_transaction_session_timeout`, which hold even after
    /// this process has died.
    pub statement_max: Duration,
    /// PostgreSQL's `lock_timeout`.
    pub lock_wait_max: Duration,
}

/// Makes a pool that connects on first use. Must be called on the runtime that will use it.
///
/// # Errors
/// The URL is malformed.
pub fn lazy(url: &SecretString, application_name: &str, limits: Limits) -> Result<PgPool, Error> {
    let address = Address::parse(url)?;
    pooled::remember(&address, application_name, &limits);
    let greeting = greeting(&address, &limits);
    let host = primary::in_use(&address.hosts).clone();
    Ok(limits
        .workload
        .pool_options(limits.connections_max)
        .acquire_timeout(limits.acquire_wait_max)
        .after_connect(move |connection, _| {
            let greeting = greeting.clone();
            Box::pin(async move {
                greet(connection, greeting).await?;
                login_backoff::succeeded();
                Ok(())
            })
        })
        // A ping before every use would cost each transaction a round trip. Only a connection that was idle
        // for a while is pinged; the loss of a busy one shows in its next statement.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if stale_connections::is_stale(meta.age) {
                    return Ok(false);
                }
                if meta.idle_for >= PINGED_AFTER || stale_connections::is_suspect(meta.idle_for) {
                    ping(connection).await?;
                }
                Ok(true)
            })
        })
        // sqlx itself pings a returned connection without a time limit. A connection whose server is silent
        // must not occupy its place in the pool.
        .after_release(|connection, meta| {
            Box::pin(async move {
                ping(connection).await?;
                Ok(!stale_connections::is_stale(meta.age))
            })
        })
        .connect_lazy_with(host.application_name(application_name)))
}

/// The first statement on a connection that writes. A session that is ours gets its settings.
fn greeting(address: &Address, limits: &Limits) -> String {
    let is_standby = "select pg_is_in_recovery()";
    match address.pooling {
        Pooling::Sessions => format!("{is_standby}, {}", as_columns(limits, Scope::Session)),
        Pooling::Transactions(_) => is_standby.to_owned(),
    }
}

async fn greet(connection: &mut PgConnection, greeting: String) -> Result<(), sqlx::Error> {
    // Not `query!`: that would keep a prepared statement for something that runs once.
    let row = sqlx::raw_sql(AssertSqlSafe(greeting));
    let row = row.fetch_one(connection).await?;
    if row.try_get(0)? {
        return Err(primary::only_reads());
    }
    Ok(())
}

async fn ping(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    tokio::time::timeout(PING_WAIT_MAX, connection.ping())
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// Opens a connection outside any pool. Behind a pooler that lends sessions for a transaction it has no
/// settings of ours.
pub async fn connect(url: &SecretString) -> Result<PgConnection, Error> {
    let address = Address::parse(url)?;
    connect_at(&address, address.wanted).await
}

/// Opens a connection outside any pool to a server that writes.
pub async fn connect_to_primary(url: &SecretString) -> Result<PgConnection, Error> {
    connect_at(&Address::parse(url)?, Wanted::Primary).await
}

async fn connect_at(address: &Address, wanted: Wanted) -> Result<PgConnection, Error> {
    pooled::remember_names(address);
    let connection = primary::connect(address, wanted, |host| host).await;
    let mut connection = connection.doing("connect to PostgreSQL")?;
    if address.pooling == Pooling::Sessions {
        let pin = format!("select {}", pin_synchronous_commit(Scope::Session));
        sqlx::raw_sql(AssertSqlSafe(pin))
            .execute(&mut connection)
            .await
            .doing("pin the session's settings")?;
    }
    Ok(connection)
}

/// Closes the idle connections of a pool after another one turned out to be silent, since all go the
/// same way to the server. Idle connections of other pools are pinged before their next use.
pub fn close_idle(pool: &PgPool) {
    stale_connections::server_was_silent();
    while let Some(connection) = pool.try_acquire() {
        drop(connection.detach());
    }
}

/// A pooled connection for statements, each of which is a transaction of its own. Behind a pooler that
/// lends sessions for a transaction, they are one transaction with our settings, which
/// [`finish`](Self::finish) commits.
#[derive(Debug)]
pub struct Session(Held);

#[derive(Debug)]
enum Held {
    Connection(PoolConnection<Postgres>),
    Transaction(Transaction<'static, Postgres>),
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match &self.0 {
            Held::Connection(connection) => connection,
            Held::Transaction(transaction) => transaction,
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.0 {
            Held::Connection(connection) => connection,
            Held::Transaction(transaction) => transaction,
        }
    }
}

impl Session {
    /// Makes lasting what the statements wrote, and gives the connection back.
    ///
    /// # Errors
    /// If the connection was lost it is unknown whether that took place.
    pub async fn finish(self) -> Result<(), Error> {
        match self.0 {
            Held::Transaction(transaction) => transaction.commit().await.doing("commit"),
            Held::Connection(_) => Ok(()),
        }
    }

    /// Closes the connection, which may be in the middle of a statement.
    pub fn close(self) {
        match self.0 {
            Held::Connection(connection) => drop(connection.detach()),
            // The pool pings a connection that comes back, and closes it if it is silent.
            Held::Transaction(transaction) => drop(transaction),
        }
    }
}

/// Takes a connection from a pool, for statements that are no transaction together.
pub async fn acquire(pool: &PgPool) -> Result<Session, Error> {
    let connection = take(pool).await?;
    let traits = pooled::traits_of(pool);
    let Some(begin) = traits.and_then(|traits| traits.begin(READ_COMMITTED)) else {
        return Ok(Session(Held::Connection(connection)));
    };
    let begin = AssertSqlSafe(begin).into_sql_str();
    let transaction = Transaction::begin(connection, Some(begin)).await;
    let transaction = transaction.doing("begin a transaction")?;
    Ok(Session(Held::Transaction(transaction)))
}

/// Opens a connection as a pool with these limits would. Its success ends a pause of logins in all
/// pools, so that a process that reports readiness can serve at once.
pub async fn connect_as(
    url: &SecretString,
    application_name: &str,
    limits: Limits,
) -> Result<PgConnection, Error> {
    let address = Address::parse(url)?;
    pooled::remember_names(&address);
    let named = |host: PgConnectOptions| host.application_name(application_name);
    // Of a single host, the greeting finds out.
    let wanted = match address.hosts.len() {
        1 => Wanted::Any,
        _ => Wanted::Primary,
    };
    let connection = primary::connect(&address, wanted, named).await;
    let mut connection = connection.doing("connect to PostgreSQL")?;
    greet(&mut connection, greeting(&address, &limits))
        .await
        .doing("begin a session with our settings")?;
    login_backoff::succeeded();
    Ok(connection)
}

/// Describes a URL without its password, for messages: hosts and ports or the directories of sockets,
/// database and user.
///
/// # Errors
/// The URL is malformed.
pub fn place_of(url: &SecretString) -> Result<String, Error> {
    Ok(Address::parse(url)?.place())
}
