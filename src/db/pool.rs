//! Connections, and the pools that keep them.
//!
//! A socket belongs to the runtime that opened it, so every thread that talks to PostgreSQL opens a
//! pool of its own.

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
    logins, recycling,
};

/// After so long without use a connection is asked whether it still stands.
const RESTED: Duration = Duration::from_secs(1);

/// How long a server may take to say that a connection stands.
const PING_WAIT_MAX: Duration = Duration::from_millis(250);

/// How often a server that works for us looks whether we are still there, in ms: what a transaction
/// that was given up in the middle of a statement holds is free after this.
const CONNECTION_CHECK_MS: &str = "250";

/// How often is looked whether a connection is free while no login may be tried.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What a pool's statements are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// They look rows up by their keys, however many at a time.
    KeyLookups,
    /// They do that, or read the beginning of a list that an index has in its order.
    Reads,
}

impl Workload {
    /// What PostgreSQL's planner is told.
    fn planner_settings(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        // A statement is planned once per connection, for an unknown number of keys, and maybe
        // when its tables were empty. Whatever it is planned for, nested loops over the keys'
        // indexes are right for one key and for a thousand; the plan that looks cheaper for ten
        // rows of an empty table reads all of it when it has a million.
        let by_keys = [
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ];
        // A bitmap has no order: for the first rows of a list all of it would be read and sorted.
        let in_order = [("enable_bitmapscan", "off")];
        let (by_keys, in_order) = match self {
            Self::KeyLookups => (&by_keys[..], &[][..]),
            Self::Reads => (&by_keys[..], &in_order[..]),
        };
        [by_keys, in_order].concat().into_iter()
    }

    /// How its connections come and go.
    fn pool_options(self, connections_max: u32) -> PgPoolOptions {
        let options = PgPoolOptions::new().max_connections(connections_max);
        match self {
            // Few, and never without work for long: they keep their place at the server, whatever
            // crowd comes to its other clients.
            Self::KeyLookups => options
                .min_connections(connections_max)
                .idle_timeout(None)
                .max_lifetime(None),
            Self::Reads => options,
        }
    }
}

/// How a pool behaves.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What it is for.
    pub workload: Workload,
    /// Connections at most.
    pub connections_max: u32,
    /// How long to wait for one.
    pub acquire_wait_max: Duration,
    /// PostgreSQL's `statement_timeout` and `idle_in_transaction_session_timeout`: what holds even
    /// when we are gone.
    pub statement_max: Duration,
    /// PostgreSQL's `lock_timeout`.
    pub lock_wait_max: Duration,
}

/// A pool that connects when it is first used. Must be called on the runtime that will use it.
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
                pin(connection).await?;
                logins::succeeded();
                Ok(())
            })
        })
        // A ping before every use would cost each transaction a round trip. A connection that has
        // rested may have lost its server, and is asked; one that is lost while it is busy is found
        // by its next statement.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if recycling::is_stale(meta.age) {
                    return Ok(false);
                }
                if meta.idle_for >= RESTED || recycling::is_suspect(meta.idle_for) {
                    ping(connection).await?;
                }
                Ok(true)
            })
        })
        // sqlx asks a returned connection whether it still stands, without a limit. One whose server
        // is silent must not keep its place in the pool.
        .after_release(|connection, meta| {
            Box::pin(async move {
                ping(connection).await?;
                Ok(!recycling::is_stale(meta.age))
            })
        })
        .connect_lazy_with(options))
}

/// What was committed is on disk, whatever a role's or a database's default says; where a standby must have
/// applied it, too, that stays so.
async fn pin(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Not `query!`: a prepared statement would be kept for what is asked once.
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

/// One connection, outside any pool.
///
/// # Errors
/// The URL is malformed, or PostgreSQL can't be reached.
pub async fn connect(url: &SecretString) -> Result<PgConnection, Error> {
    let mut connection = PgConnection::connect_with(&connect_options(url)?)
        .await
        .doing("connect to PostgreSQL")?;
    pin(&mut connection)
        .await
        .doing("pin the session's settings")?;
    Ok(connection)
}

/// Closes the connections that rest in a pool: one of their kind has turned out to be silent, and they
/// have had the same way to the server. Those of other pools are asked before they are used again.
pub fn close_idle(pool: &PgPool) {
    recycling::server_was_silent();
    while let Some(connection) = pool.try_acquire() {
        drop(connection.detach());
    }
}

/// Takes a connection for statements outside any transaction.
///
/// # Errors
/// No connection could be had in time.
pub async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    wait_for_a_login(pool).await?;
    let began = Instant::now();
    let acquired = pool.acquire().await;
    match &acquired {
        Ok(_) | Err(sqlx::Error::PoolClosed) => {}
        // All are in use: that says nothing about logins.
        Err(sqlx::Error::PoolTimedOut) if pool.size() >= pool.options().get_max_connections() => {}
        Err(error) => logins::failed(error.to_string(), began),
    }
    acquired.doing(GET_A_CONNECTION)
}

/// While logins fail they are tried one at a time, after a pause; until then the pool's connections
/// that stand are waited for, if there are any.
async fn wait_for_a_login(pool: &PgPool) -> Result<(), Error> {
    let give_up = Instant::now() + pool.options().get_acquire_timeout();
    while pool.num_idle() == 0 {
        let Err(reason) = logins::may_try() else {
            break;
        };
        if pool.size() == 0 || Instant::now() >= give_up {
            return Err(Error::logins_pause(&reason));
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok(())
}

/// One connection as a pool of these limits would make it. That it could be had is known to the pools,
/// too: whoever is told that we are ready is served at once.
///
/// # Errors
/// The URL is malformed, or PostgreSQL can't be reached or refuses the settings.
pub async fn connect_as(
    url: &SecretString,
    application_name: &str,
    limits: Limits,
) -> Result<PgConnection, Error> {
    let connection = PgConnection::connect_with(&session_options(url, application_name, limits)?)
        .await
        .doing("connect to PostgreSQL with our settings")?;
    logins::succeeded();
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
            // What the server does about a client that is gone: sqlx has no options for our end.
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

/// Where a URL leads, to be told: a host and a port, or a socket's directory; and who asks for what there.
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
