//! Begins and ends transactions, those of checkouts within time limits of this process.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row, SqlSafeStr, Transaction,
    pool::PoolConnection,
};

use super::{
    error::{Doing, Error, Fault},
    lending::take,
    pool::close_idle,
    pooled::{READ_COMMITTED, after_begin, traits_of},
    time_limit::in_time,
};

/// The way of a transaction whose statements all see one snapshot.
const SNAPSHOT: &str = "isolation level repeatable read read only";

/// The time limit of `begin`, which needs neither locks nor the disk.
const BEGIN_WAIT_MAX: Duration = Duration::from_millis(250);

/// The time limit of `rollback`, which needs neither locks nor the disk.
const ROLL_BACK_WAIT_MAX: Duration = Duration::from_millis(250);

/// Begins a transaction on the caller's connection.
pub async fn begin_on(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, Error> {
    let begin = match after_begin() {
        after if !after.is_empty() && !connection.is_in_transaction() => {
            let begin = AssertSqlSafe(format!("begin{after}"));
            connection.begin_with(begin).await
        }
        _ => connection.begin().await,
    };
    begin.doing("begin a transaction")
}

/// Sets the time that this transaction waits for locks.
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

/// Begins a read-only transaction whose statements all see one snapshot.
pub async fn begin_snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let begin = traits_of(pool).and_then(|traits| traits.begin(SNAPSHOT));
    let begin = AssertSqlSafe(begin.unwrap_or_else(|| format!("begin {SNAPSHOT}")));
    Transaction::begin(take(pool).await?, Some(begin.into_sql_str()))
        .await
        .doing("begin a snapshot")
}

/// Begins a snapshot on the caller's connection.
pub async fn begin_snapshot_on(
    connection: &mut PgConnection,
) -> Result<Transaction<'_, Postgres>, Error> {
    connection
        .begin_with(AssertSqlSafe(format!("begin {SNAPSHOT}{}", after_begin())))
        .await
        .doing("begin a snapshot")
}

/// Commits a transaction.
///
/// # Errors
/// If the connection was lost it is unknown whether the commit took place.
pub async fn commit(transaction: Transaction<'_, Postgres>) -> Result<(), Error> {
    transaction.commit().await.doing("commit")
}

/// A transaction on a connection of its own.
#[derive(Debug)]
pub struct Opened {
    /// The connection. Its owner commits, rolls back or closes it.
    pub connection: PoolConnection<Postgres>,
    /// The begin by PostgreSQL's clock, which all instances share.
    pub began_at: DateTime<Utc>,
    /// PostgreSQL's id of the transaction.
    pub transaction_id: i64,
}

/// Opens a transaction on a pooled connection, within `wait_max` in all. Its statements wait for locks for
/// `lock_wait_max`, or as long as the pool's setting says.
///
/// Lost connections are replaced. After one that is silent all idle connections of the pool are closed, and
/// a new one is made.
pub async fn open(
    pool: &PgPool,
    wait_max: Duration,
    lock_wait_max: Option<Duration>,
) -> Result<Opened, Error> {
    const DOING: &str = "begin a transaction";
    let give_up = Instant::now() + wait_max;
    let statements = begin_statements(pool, lock_wait_max);
    // In the worst case every pooled connection is lost, and then a new one is made.
    let mut left = pool.options().get_max_connections();
    loop {
        let mut connection = in_time(time_until(give_up), "get a connection", take(pool)).await?;
        let wait = BEGIN_WAIT_MAX.min(time_until(give_up));
        let error = match tokio::time::timeout(wait, begin(&mut connection, &statements)).await {
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

/// Several statements in one round trip; `query!` prepares one. Only numbers and our own words are
/// interpolated.
fn begin_statements(pool: &PgPool, lock_wait_max: Option<Duration>) -> String {
    const WHEN: &str = "select clock_timestamp(), pg_current_xact_id()::text::bigint";
    let traits = traits_of(pool);
    if let Some(settings) = traits.and_then(|traits| traits.columns(lock_wait_max)) {
        return format!(
            "begin {READ_COMMITTED}{}; {WHEN}, {settings}",
            after_begin()
        );
    }
    let lock_wait_max =
        lock_wait_max.map(|wait_max| format!("set local lock_timeout = {};", wait_max.as_millis()));
    format!("begin; {} {WHEN}", lock_wait_max.unwrap_or_default())
}

async fn begin(
    connection: &mut PgConnection,
    statements: &str,
) -> Result<(DateTime<Utc>, i64), Error> {
    let row = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .fetch_one(connection)
        .await
        .doing("begin a transaction")?;
    let columns = row.try_get(0).and_then(|at| Ok((at, row.try_get(1)?)));
    columns.doing("read when a transaction began")
}

/// Commits a transaction of [`open`].
///
/// # Errors
/// If the connection was lost it is unknown whether the commit took place.
pub async fn commit_opened(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("commit")
        .execute(connection)
        .await
        .doing("commit")?;
    Ok(())
}

/// Rolls back a transaction of [`open`].
///
/// # Errors
/// The connection was lost or silent, and the transaction with it. Its owner closes it.
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

/// Reads in a transaction that is rolled back, on a connection that is in none: behind a pooler only a
/// transaction keeps to one session, and has the settings of the service.
pub async fn look<T>(
    connection: &mut PgConnection,
    reads: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut transaction = begin_on(connection).await?;
    let read = reads(&mut transaction).await?;
    transaction.rollback().await.doing("end a look")?;
    Ok(read)
}

fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
