//! Applies the schema's migrations, and counts missing ones.

mod folding;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row,
    error::DatabaseError,
    migrate::{Migrate, MigrateError, Migrator},
};

use super::{
    error::{self, Doing, Error, NOT_ALLOWED},
    pooled::after_begin,
};

/// The schema, compiled in. sqlx's own lock belongs to a session, which a pooler may change between two
/// migrations; a lock of the table of migrations takes its place.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.set_locking(false);
    migrations
});

/// sqlx's name of that table.
const APPLIED: &str = "_sqlx_migrations";

/// Limits the time that a migration waits for a table in use, and so keeps later statements queued
/// behind it.
const MIGRATION_LOCK_WAIT: &str = "set local lock_timeout = '2s'";

/// Lets one instance migrate at a time, and others read.
const ONE_AT_A_TIME: &str = "lock table _sqlx_migrations in share row exclusive mode";

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

/// Applies missing migrations, each in a transaction of its own. Several instances may do so at once.
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
        match apply_next(connection).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if may_pass(&error) && Instant::now() + pause < give_up => {
                tracing::warn!(
                    "a migration waits for a table that another session uses, or for another \
                     instance's migrations (long transactions are in pg_stat_activity); it is \
                     tried again: {error}"
                );
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Applies the first missing migration, and returns false if none is missing.
async fn apply_next(connection: &mut PgConnection) -> Result<bool, MigrateError> {
    let begin = AssertSqlSafe(format!("begin{}", after_begin()));
    let mut transaction = connection.begin_with(begin).await?;
    sqlx::raw_sql(MIGRATION_LOCK_WAIT)
        .execute(&mut *transaction)
        .await?;
    transaction.ensure_migrations_table(APPLIED).await?;
    sqlx::raw_sql(ONE_AT_A_TIME)
        .execute(&mut *transaction)
        .await?;
    let applied = applied_migrations(&mut transaction).await?;
    let missing = MIGRATIONS
        .iter()
        .find(|migration| !applied.contains(&migration.version));
    // Without a missing one, those that are applied are checked.
    let last = missing.or_else(|| MIGRATIONS.iter().last());
    let version = last.map_or(0, |migration| migration.version);
    if version == folding::VERSION && missing.is_some() {
        folding::prepare(&mut transaction).await?;
    }
    MIGRATIONS.run_to(version, &mut *transaction).await?;
    transaction.commit().await?;
    Ok(missing.is_some())
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

/// True if a table was in use, or another instance made the table of migrations at the same moment.
fn may_pass(error: &MigrateError) -> bool {
    let (MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) = error else {
        return false;
    };
    let Some(source) = source.as_database_error() else {
        return false;
    };
    match source.code().as_deref() {
        // lock_not_available, duplicate_table.
        Some("55P03" | "42P07") => true,
        // unique_violation, in PostgreSQL's own catalogue.
        Some("23505") => source
            .constraint()
            .is_some_and(|key| key.starts_with("pg_")),
        _ => false,
    }
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
    // Not `query!`: the table belongs to sqlx and does not exist before the first migration. Not prepared:
    // a pooler may keep no statements.
    let exists = sqlx::raw_sql("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !exists.try_get::<bool, _>(0)? {
        return Ok(Vec::new());
    }
    let rows = sqlx::raw_sql("select version from _sqlx_migrations where success")
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
