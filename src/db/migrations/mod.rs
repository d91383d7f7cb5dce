//! Applies the schema's migrations, and counts missing ones.

mod folding;

use std::time::{Duration, Instant};

use sqlx::{
    PgConnection,
    error::DatabaseError,
    migrate::{Migrate, MigrateError, Migrator},
};

use super::error::{self, Doing, Error, NOT_ALLOWED};

/// The schema, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// Limits the time that a migration waits for a table in use, and so keeps later statements queued
/// behind it.
const MIGRATION_LOCK_WAIT: &str = "set lock_timeout = '2s'";

/// The reason for which the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[error("the migrations can't be applied: {}", plainly(cause))]
pub struct MigrationError {
    // Not a `source`: its text is part of the message, and must not be printed twice.
    cause: MigrateError,
}

impl From<MigrateError> for MigrationError {
    fn from(cause: MigrateError) -> Self {
        Self { cause }
    }
}

/// Applies missing migrations. Several instances may do so at once: sqlx takes a lock.
///
/// Every statement on a table queues behind a migration that waits for it. So a migration stops waiting
/// soon and tries again after a pause, for `wait_max` in all.
///
/// # Errors
/// A migration failed, an applied one differs from the one compiled in, or a table was in use all the time.
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
                // Releases sqlx's own lock, so that another instance may migrate meanwhile. If that fails
                // the lock ends with the connection.
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
    // An empty database has nothing to fold, and no table to read.
    if !is_applied(folding::VERSION) && is_applied(folding::VERSION - 1) {
        folding::prepare(connection).await?;
    }
    MIGRATIONS.run(connection).await
}

/// Applies missing migrations within half a minute; see [`migrate_within`].
pub async fn migrate(connection: &mut PgConnection) -> Result<(), MigrationError> {
    migrate_within(connection, Duration::from_secs(30)).await
}

/// The message, without the line of PostgreSQL's source code that sqlx adds, and with advice.
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
            "the database has migration {version}, which this version of splitcart does not know: it was \
             migrated by a newer version; run that one, or restore an older backup"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "migration {version} differs from the one that was applied: the database was migrated by \
             a development version"
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

/// Counts the migrations that are not applied yet.
pub async fn missing_migrations(connection: &mut PgConnection) -> Result<usize, Error> {
    let applied = applied_migrations(connection)
        .await
        .doing("read the applied migrations")?;
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .count())
}

/// The differences between the migrations of this program and those of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    pub missing: Vec<i64>,
    /// Applied by a newer program.
    pub newer: Vec<i64>,
    /// Begun and not finished.
    pub unfinished: Vec<i64>,
    /// Applied with another text.
    pub changed: Vec<i64>,
}

/// Compares the migrations of this program with those of the database.
pub async fn differences(connection: &mut PgConnection) -> Result<Differences, Error> {
    let doing = "read the applied migrations";
    // Not `query!`: the table belongs to sqlx and does not exist before the first migration.
    let exists: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await
        .doing(doing)?;
    let mut rows: Vec<(i64, bool, Vec<u8>)> = Vec::new();
    if exists {
        rows = sqlx::query_as("select version, success, checksum from _sqlx_migrations order by 1")
            .fetch_all(connection)
            .await
            .doing(doing)?;
    }
    Ok(compare(&rows))
}

fn compare(rows: &[(i64, bool, Vec<u8>)]) -> Differences {
    let mut found = Differences {
        missing: MIGRATIONS
            .iter()
            .map(|ours| ours.version)
            .filter(|version| rows.iter().all(|(applied, ..)| applied != version))
            .collect(),
        ..Differences::default()
    };
    for (version, is_finished, checksum) in rows {
        match MIGRATIONS.iter().find(|ours| ours.version == *version) {
            None => found.newer.push(*version),
            Some(_) if !is_finished => found.unfinished.push(*version),
            Some(ours) if *ours.checksum != checksum[..] => found.changed.push(*version),
            Some(_) => {}
        }
    }
    found
}

async fn applied_migrations(connection: &mut PgConnection) -> sqlx::Result<Vec<i64>> {
    // Not `query!`: the table belongs to sqlx and does not exist before the first migration.
    let exists =
        sqlx::query_scalar::<_, bool>("select to_regclass('_sqlx_migrations') is not null")
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select version from _sqlx_migrations where success")
        .fetch_all(connection)
        .await
}
