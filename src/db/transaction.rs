//! Transactions: how they begin and end, each within a limit of this process where PostgreSQL may be
//! silent.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row, SqlSafeStr, Transaction,
    pool::PoolConnection,
};

use super::{
    error::{Doing, Error, Fault},
    pool::{acquire, close_idle},
    within::in_time,
};

/// What begins a snapshot.
const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read read only";

/// How long `begin` may take on a connection that stands. It needs neither locks nor the disk.
const BEGIN_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long `rollback` may take. It needs neither locks nor the disk.
const ROLL_BACK_WAIT_MAX: Duration = Duration::from_millis(250);

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

/// Opens a transaction on a connection that its owner commits or closes, within `wait_max` in all. Its
/// statements wait for rows that others hold for `lock_wait_max`, or as the pool says.
///
/// Connections that turn out to be lost are replaced. One that is silent casts doubt on all that rest
/// in the pool: they are closed, and a new one is made.
///
/// # Errors
/// No connection could be had in time, or the statement failed.
pub async fn open(
    pool: &PgPool,
    wait_max: Duration,
    lock_wait_max: Option<Duration>,
) -> Result<Opened, Error> {
    const DOING: &str = "begin a transaction";
    let give_up = Instant::now() + wait_max;
    // At worst every pooled connection is lost, and then a new one is made.
    let mut left = pool.options().get_max_connections();
    loop {
        let mut connection =
            in_time(time_until(give_up), "get a connection", acquire(pool)).await?;
        let wait = BEGIN_WAIT_MAX.min(time_until(give_up));
        let error = match tokio::time::timeout(wait, begin(&mut connection, lock_wait_max)).await {
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

async fn begin(
    connection: &mut PgConnection,
    lock_wait_max: Option<Duration>,
) -> Result<(DateTime<Utc>, i64), Error> {
    let lock_wait_max =
        lock_wait_max.map(|it| format!("set local lock_timeout = {};", it.as_millis()));
    // Several statements in one round trip: not `query!`, which prepares one. Nothing but a number is
    // put into them.
    let statements = format!(
        "begin; {} select clock_timestamp(), pg_current_xact_id()::text::bigint",
        lock_wait_max.unwrap_or_default()
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statements))
        .fetch_one(connection)
        .await
        .doing("begin a transaction")?;
    let columns = row.try_get(0).and_then(|at| Ok((at, row.try_get(1)?)));
    columns.doing("read when a transaction began")
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
    in_time(ROLL_BACK_WAIT_MAX, "roll back", statement).await?;
    Ok(())
}

fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
