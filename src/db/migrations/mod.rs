//! The schema's migrations: applied, or found to be missing.

use std::time::{Duration, Instant};

use sqlx::{
    PgConnection,
    error::DatabaseError,
    migrate::{Migrate, MigrateError, Migrator},
};

use super::{
    error::{self, Doing, Error, NOT_ALLOWED},
    folding,
};

/// The schema, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long migrations wait for a table that others use before they step back and let those through
/// who queue behind them.
const MIGRATION_LOCK_WAIT: &str = "set lock_timeout = '2s'";

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[error("the migrations can't be applied: {}", plainly(cause))]
pub struct MigrationError {
    // No `source`: it is told above.
    cause: MigrateError,
}

impl From<MigrateError> for MigrationError {
    fn from(cause: MigrateError) -> Self {
        Self { cause }
    }
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
) -> Result<(), MigrationError> {
    let give_up = Instant::now() + wait_max;
    let pause = Duration::from_secs(1);
    loop {
        sqlx::raw_sql(MIGRATION_LOCK_WAIT)
            .execute(&mut *connection)
            .await
            .map_err(MigrateError::from)?;
        match run(connection).await {
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
                    .await
                    .map_err(MigrateError::from)?;
                return Ok(result?);
            }
        }
    }
}

async fn run(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let applied = applied_migrations(connection).await?;
    let is_applied = |version| applied.contains(&version);
    // On an empty database there is nothing to fold, and no table to look into.
    if !is_applied(folding::VERSION) && is_applied(folding::VERSION - 1) {
        folding::prepare(connection).await?;
    }
    MIGRATIONS.run(connection).await
}

/// The same, with patience for half a minute.
///
/// # Errors
/// See [`migrate_within`].
pub async fn migrate(connection: &mut PgConnection) -> Result<(), MigrationError> {
    migrate_within(connection, Duration::from_secs(30)).await
}

/// What failed, without the line of PostgreSQL's own source that sqlx adds, and what may be done.
fn plainly(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            let code = source.as_database_error().and_then(DatabaseError::code);
            let advice = match code.as_deref() {
                Some("42501") => format!("; {NOT_ALLOWED}"),
                _ => String::new(),
            };
            format!("{}{advice}", error::plainly(source))
        }
        MigrateError::VersionMissing(version) => format!(
            "the database has migration {version}, which this version does not know: it was migrated by a \
             newer one; run that, or restore a backup from before"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "migration {version} was applied in another form than this version has: the database was \
             migrated by a development version"
        ),
        other => other.to_string(),
    }
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
    let applied = applied_migrations(connection)
        .await
        .doing("read the applied migrations")?;
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .count())
}

async fn applied_migrations(connection: &mut PgConnection) -> sqlx::Result<Vec<i64>> {
    // Not `query!`: the table is sqlx's own and does not exist before the first migration.
    let known = sqlx::query_scalar::<_, bool>("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select version from _sqlx_migrations where success")
        .fetch_all(connection)
        .await
}
