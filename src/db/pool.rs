//! Connections to PostgreSQL, their settings, and pools of them.
//!
//! A socket belongs to the runtime that opened it, so every thread that talks to PostgreSQL opens a pool of
//! its own.

use std::{
    io,
    str::FromStr,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    error::{Doing, Error, GET_A_CONNECTION},
    login_backoff, stale_connections,
};

/// The idle time after which a connection is pinged before it is used again.
const PINGED_AFTER: Duration = Duration::from_secs(1);

const PING_WAIT_MAX: Duration = Duration::from_millis(250);

/// The interval in ms at which the server checks during a statement that its client still exists. Locks of
/// a transaction whose client disappeared in the middle of a statement are free after this time.
const CONNECTION_CHECK_MS: &str = "250";

/// The interval at which an idle connection is looked for while logins pause.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

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
        // A statement is planned once per connection, for an unknown number of keys, and possibly while
        // its tables are empty. Nested loops over the keys' indexes are right for one key and for
        // a thousand; a plan that looks cheaper for an empty table scans all of it when it has a million
        // rows.
        let by_keys = [
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ];
        // A bitmap scan loses the index's sequence: the whole list would be read and sorted for its
        // first rows.
        let in_order = [("enable_bitmapscan", "off")];
        let (by_keys, in_order) = match self {
            Self::KeyLookups => (&by_keys[..], &[][..]),
            Self::Reads => (&by_keys[..], &in_order[..]),
        };
        [by_keys, in_order].concat().into_iter()
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
    let options = session_options(url, application_name, limits)?;
    Ok(limits
        .workload
        .pool_options(limits.connections_max)
        .acquire_timeout(limits.acquire_wait_max)
        .after_connect(|connection, _| {
            Box::pin(async move {
                pin_synchronous_commit(connection).await?;
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
        .connect_lazy_with(options))
}

/// Ensures that a commit is on disk when it returns, whatever the default of a role or a database is.
/// Leaves `remote_apply`, which promises more, as it is.
async fn pin_synchronous_commit(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Not `query!`: that would keep a prepared statement for something that runs once.
    let statement = "select set_config(name, 'on', false)
        from pg_settings
        where name = 'synchronous_commit' and setting not in ('on', 'remote_apply')";
    sqlx::raw_sql(statement).execute(connection).await?;
    Ok(())
}

async fn ping(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    tokio::time::timeout(PING_WAIT_MAX, connection.ping())
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// Opens a connection outside any pool.
pub async fn connect(url: &SecretString) -> Result<PgConnection, Error> {
    let mut connection = PgConnection::connect_with(&connect_options(url)?)
        .await
        .doing("connect to PostgreSQL")?;
    pin_synchronous_commit(&mut connection)
        .await
        .doing("pin the session's settings")?;
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

/// Takes a connection from a pool.
pub async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    wait_for_a_login(pool).await?;
    let began = Instant::now();
    let acquired = pool.acquire().await;
    match &acquired {
        Ok(_) | Err(sqlx::Error::PoolClosed) => {}
        // All connections are in use, which says nothing about logins.
        Err(sqlx::Error::PoolTimedOut) if pool.size() >= pool.options().get_max_connections() => {}
        Err(error) => login_backoff::failed(error.to_string(), began),
    }
    acquired.doing(GET_A_CONNECTION)
}

/// Returns when an idle connection exists or a login may be tried. While logins pause, waits for
/// connections that the pool has; fails at once if it has none.
async fn wait_for_a_login(pool: &PgPool) -> Result<(), Error> {
    let give_up = Instant::now() + pool.options().get_acquire_timeout();
    while pool.num_idle() == 0 {
        let Err(reason) = login_backoff::may_try() else {
            break;
        };
        if pool.size() == 0 || Instant::now() >= give_up {
            return Err(Error::logins_pause(&reason));
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok(())
}

/// Opens a connection as a pool with these limits would. Its success ends a pause of logins in all
/// pools, so that a process that reports readiness can serve at once.
pub async fn connect_as(
    url: &SecretString,
    application_name: &str,
    limits: Limits,
) -> Result<PgConnection, Error> {
    let connection = PgConnection::connect_with(&session_options(url, application_name, limits)?)
        .await
        .doing("connect to PostgreSQL with our settings")?;
    login_backoff::succeeded();
    Ok(connection)
}

fn session_options(
    url: &SecretString,
    application_name: &str,
    limits: Limits,
) -> Result<PgConnectOptions, Error> {
    let statement_ms = limits.statement_max.as_millis().to_string();
    let lock_ms = limits.lock_wait_max.as_millis().to_string();
    Ok(connect_options(url)?
        .application_name(application_name)
        .options([
            ("statement_timeout", statement_ms.as_str()),
            ("lock_timeout", lock_ms.as_str()),
            ("idle_in_transaction_session_timeout", statement_ms.as_str()),
            // The server's detection of a dead client. For this end sqlx has no options.
            ("client_connection_check_interval", CONNECTION_CHECK_MS),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_read_only", "off"),
        ])
        .options(limits.workload.planner_settings()))
}

/// Describes a URL without its password, for messages: host and port or the socket's directory, database
/// and user.
///
/// # Errors
/// The URL is malformed.
pub fn place_of(url: &SecretString) -> Result<String, Error> {
    let options = connect_options(url)?;
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let (database, user) = (options.get_database(), options.get_username());
    let database = database.unwrap_or(user);
    Ok(format!("{host} (database {database}, user {user})"))
}

fn connect_options(url: &SecretString) -> Result<PgConnectOptions, Error> {
    PgConnectOptions::from_str(url.expose_secret()).doing("understand database.url")
}
