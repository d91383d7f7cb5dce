//! Connections: pools and migrations.
//!
//! A socket belongs to the runtime that opened it, so every thread that talks to PostgreSQL opens a
//! pool of its own.

use std::{
    io,
    str::FromStr,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Row, SqlSafeStr, Transaction,
    error::DatabaseError,
    migrate::{Migrate, MigrateError, Migrator},
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    error::{Doing, Error, Fault, GET_A_CONNECTION},
    logins, recycling,
};

/// The schema, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// What begins a snapshot.
const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read read only";

/// After so long without use a connection is asked whether it still stands.
const RESTED: Duration = Duration::from_secs(1);

/// How long migrations wait for a table that others use before they step back and let those through
/// who queue behind them.
const MIGRATION_LOCK_WAIT: &str = "set lock_timeout = '2s'";

/// How long a server may take to say that a connection stands.
const PING_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long `begin` may take on a connection that stands. It needs neither locks nor the disk.
const BEGIN_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long `rollback` may take. It needs neither locks nor the disk.
const ROLL_BACK_WAIT_MAX: Duration = Duration::from_millis(250);

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
    /// They may want to see whole tables.
    Background,
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
            Self::Background => (&[][..], &[][..]),
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
            Self::Reads | Self::Background => options,
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

/// Begins a transaction on a connection that is the caller's own.
///
/// # Errors
/// The statement failed, or the connection is in a transaction already.
pub async fn begin_on(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, Error> {
    connection.begin().await.doing("begin a transaction")
}

/// Changes how long this transaction waits for rows that others hold.
///
/// # Errors
/// The statement failed.
pub async fn wait_for_locks(
    connection: &mut PgConnection,
    wait_max: Duration,
) -> Result<(), Error> {
    sqlx::query!(
        "select set_config('lock_timeout', $1, true)",
        wait_max.as_millis().to_string(),
    )
    .fetch_one(connection)
    .await
    .doing("set lock_timeout")?;
    Ok(())
}

/// Begins a read-only transaction all of whose statements see the same snapshot.
///
/// # Errors
/// No connection could be had in time, or the statement failed.
pub async fn begin_snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    Transaction::begin(acquire(pool).await?, Some(BEGIN_SNAPSHOT.into_sql_str()))
        .await
        .doing("begin a snapshot")
}

/// The same on a connection that is the caller's own.
///
/// # Errors
/// The statement failed, or the connection is in a transaction already.
pub async fn begin_snapshot_on(
    connection: &mut PgConnection,
) -> Result<Transaction<'_, Postgres>, Error> {
    connection
        .begin_with(BEGIN_SNAPSHOT)
        .await
        .doing("begin a snapshot")
}

/// Commits a transaction.
///
/// # Errors
/// The commit failed. If the connection was lost, whether it took place is unknown.
pub async fn commit(transaction: Transaction<'_, Postgres>) -> Result<(), Error> {
    transaction.commit().await.doing("commit")
}

/// A transaction that was opened on a connection of its own.
#[derive(Debug)]
pub struct Opened {
    /// Whoever has it commits, rolls back or closes it.
    pub connection: PoolConnection<Postgres>,
    /// PostgreSQL's time when it began: instances may compare what they derive from it.
    pub began_at: DateTime<Utc>,
    /// Its id.
    pub transaction_id: i64,
}

/// Opens a transaction on a connection that its owner commits or closes, within `wait_max` in all.
/// Connections that turn out to be lost are replaced. One that is silent casts doubt on all that rest
/// in the pool: they are closed, and a new one is made.
///
/// # Errors
/// No connection could be had in time, or the statement failed.
pub async fn open(pool: &PgPool, wait_max: Duration) -> Result<Opened, Error> {
    const DOING: &str = "begin a transaction";
    let give_up = Instant::now() + wait_max;
    // At worst every pooled connection is lost, and then a new one is made.
    let mut left = pool.options().get_max_connections();
    loop {
        let mut connection = within(time_until(give_up), "get a connection", acquire(pool)).await?;
        let wait = BEGIN_WAIT_MAX.min(time_until(give_up));
        let error = match tokio::time::timeout(wait, begin(&mut connection)).await {
            Ok(Ok((began_at, transaction_id))) => {
                return Ok(Opened {
                    connection,
                    began_at,
                    transaction_id,
                });
            }
            Ok(Err(error)) => error,
            Err(_) => {
                close_idle(pool);
                Error::timed_out(DOING)
            }
        };
        drop(connection.detach());
        if error.fault() != Fault::Unreachable || left == 0 || time_until(give_up).is_zero() {
            return Err(error);
        }
        left -= 1;
    }
}

async fn begin(connection: &mut PgConnection) -> Result<(DateTime<Utc>, i64), Error> {
    // Two statements in one round trip: not `query!`, which prepares one.
    let row = sqlx::raw_sql("begin; select clock_timestamp(), pg_current_xact_id()::text::bigint")
        .fetch_one(connection)
        .await
        .doing("begin a transaction")?;
    let columns = row.try_get(0).and_then(|at| Ok((at, row.try_get(1)?)));
    columns.doing("read when a transaction began")
}

/// Closes the connections that rest in a pool: one of their kind has turned out to be silent, and they
/// have had the same way to the server. Those of other pools are asked before they are used again.
pub fn close_idle(pool: &PgPool) {
    recycling::server_was_silent();
    while let Some(connection) = pool.try_acquire() {
        drop(connection.detach());
    }
}

/// Waits for something for so long at most: PostgreSQL's own timeouts are of no use when it is
/// PostgreSQL that is silent. What was waited for is dropped when the time is up; a connection in the
/// middle of a statement must then be closed by its owner.
///
/// # Errors
/// Its own, or that the time is up.
pub async fn within<T>(
    wait_max: Duration,
    doing: &'static str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(wait_max, operation)
        .await
        .unwrap_or_else(|_| Err(Error::timed_out(doing)))
}

fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Commits what was begun by [`open`].
///
/// # Errors
/// The commit failed. If the connection was lost, whether it took place is unknown.
pub async fn commit_opened(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("commit")
        .execute(connection)
        .await
        .doing("commit")?;
    Ok(())
}

/// Rolls back what was begun by [`open`]. A server that does not answer soon is given up: whoever owns
/// the connection closes it.
///
/// # Errors
/// The connection was lost, and the transaction with it.
pub async fn roll_back_opened(connection: &mut PgConnection) -> Result<(), Error> {
    let statement = async {
        sqlx::query!("rollback")
            .execute(connection)
            .await
            .doing("roll back")
    };
    within(ROLL_BACK_WAIT_MAX, "roll back", statement).await?;
    Ok(())
}

/// Takes a connection for statements outside any transaction.
///
/// # Errors
/// No connection could be had in time.
pub async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    wait_for_a_login(pool).await?;
    let acquired = pool.acquire().await;
    match &acquired {
        Ok(_) | Err(sqlx::Error::PoolClosed) => {}
        // All are in use: that says nothing about logins.
        Err(sqlx::Error::PoolTimedOut) if pool.size() >= pool.options().get_max_connections() => {}
        Err(error) => logins::failed(error.to_string()),
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

/// One connection as a pool of these limits would make it.
///
/// # Errors
/// The URL is malformed, or PostgreSQL can't be reached or refuses the settings.
pub async fn connect_as(
    url: &SecretString,
    application_name: &str,
    limits: Limits,
) -> Result<PgConnection, Error> {
    PgConnection::connect_with(&session_options(url, application_name, limits)?)
        .await
        .doing("connect to PostgreSQL with our settings")
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
            ("client_connection_check_interval", CONNECTION_CHECK_MS),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_read_only", "off"),
        ])
        .options(limits.workload.planner_settings()))
}

fn connect_options(url: &SecretString) -> Result<PgConnectOptions, Error> {
    PgConnectOptions::from_str(url.expose_secret()).doing("understand database.url")
}

/// Applies the migrations that are missing. Safe from several instances at once: sqlx takes a lock.
///
/// A migration that waits for a table keeps everybody waiting who comes after it: so it gives up soon,
/// and tries again after a pause, for `wait_max` in all.
///
/// # Errors
/// A migration failed, an applied one is not the one we know, or a table was in use all the time.
pub async fn migrate_within(
    connection: &mut PgConnection,
    wait_max: Duration,
) -> Result<(), MigrateError> {
    let give_up = Instant::now() + wait_max;
    let pause = Duration::from_secs(1);
    loop {
        sqlx::raw_sql(MIGRATION_LOCK_WAIT)
            .execute(&mut *connection)
            .await?;
        match MIGRATIONS.run(&mut *connection).await {
            Err(error) if is_lock_timeout(&error) && Instant::now() + pause < give_up => {
                tracing::warn!(
                    "a migration waits for a table that another session uses, or for another \
                     instance's migrations (long transactions are in pg_stat_activity); it is \
                     tried again: {error}"
                );
                // sqlx holds its own lock still: others may migrate meanwhile.
                // A failure ends with the connection.
                drop(connection.unlock().await);
                tokio::time::sleep(pause).await;
            }
            result => {
                sqlx::raw_sql("reset lock_timeout")
                    .execute(connection)
                    .await?;
                return result;
            }
        }
    }
}

/// The same, with patience for half a minute.
///
/// # Errors
/// See [`migrate_within`].
pub async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
    migrate_within(connection, Duration::from_secs(30)).await
}

fn is_lock_timeout(error: &MigrateError) -> bool {
    let (MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) = error else {
        return false;
    };
    let code = source.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "55P03")
}

/// How many of our migrations are not applied yet.
///
/// # Errors
/// PostgreSQL can't be reached.
pub async fn missing_migrations(connection: &mut PgConnection) -> Result<usize, Error> {
    // Not `query!`: the table is sqlx's own and does not exist before the first migration.
    let known = sqlx::query_scalar::<_, bool>("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await
        .doing("look for the table of migrations")?;
    let applied: Vec<i64> = if known {
        sqlx::query_scalar("select version from _sqlx_migrations where success")
            .fetch_all(connection)
            .await
            .doing("read the applied migrations")?
    } else {
        Vec::new()
    };
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .count())
}
