//! Finds out at start whether a pooler stands in front of PostgreSQL, and whether it works as the settings
//! say. A pooler that takes our settings away lets every checkout succeed, and slowly: checks of foreign keys
//! scan whole tables then.

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{
    address::{Address, Pooling, StatementNames},
    error::{Doing, Error},
    pool::{Limits, connect_as},
    pooled::{READ_COMMITTED, after_begin},
    session_settings::{Scope, as_columns, of_transactions},
};

/// The name of the connections that look.
const NAME: &str = "splitcart start";
/// The number of times that two connections are compared: a pooler may have several sessions to choose from.
const ROUNDS: u32 = 5;

/// A contradiction between the settings and the pooler, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    #[error(
        "a pooler in front of PostgreSQL gives a connection another session for each transaction (PgBouncer's \
         pool_mode = transaction), so our settings do not reach PostgreSQL: set database.pool_mode to \
         \"transaction\" (SPLITCART_DATABASE_POOL_MODE), or give us PostgreSQL itself in SPLITCART_DATABASE_URL"
    )]
    SharesSessions,
    #[error(
        "our settings do not reach PostgreSQL (lost: {0}), and without them checkouts are slow: is there \
         a pooler in front of it that changes them? Give us PostgreSQL itself in SPLITCART_DATABASE_URL"
    )]
    SettingsLost(String),
    #[error(
        "the pooler in front of PostgreSQL keeps no prepared statements for its clients: set PgBouncer's \
         max_prepared_statements (1.21 or newer; 1000 is enough), or set database.prepared_statements to false \
         (SPLITCART_DATABASE_PREPARED_STATEMENTS), which makes checkouts slower"
    )]
    ForgetsStatements,
    #[error(
        "the pooler in front of PostgreSQL keeps prepared statements for its clients (PgBouncer's \
         max_prepared_statements), and database.prepared_statements is false, which would take other clients' \
         statements away: set it to true (SPLITCART_DATABASE_PREPARED_STATEMENTS)"
    )]
    KeepsStatements,
}

/// Connects as a pool with these limits does, and looks for a contradiction.
pub async fn find_contradiction(
    url: &SecretString,
    limits: Limits,
) -> Result<Option<Contradiction>, Error> {
    let address = Address::parse(url)?;
    let mut connection = connect_as(url, NAME, limits).await?;
    let mut other = connect_as(url, NAME, limits).await?;
    let is_shared = share_a_session(&mut connection, &mut other).await?;
    match address.pooling {
        Pooling::Sessions if is_shared => return Ok(Some(Contradiction::SharesSessions)),
        Pooling::Sessions => {}
        Pooling::Transactions(names) => {
            // Directly at PostgreSQL, the names of a connection are its own.
            let kept = !is_shared || keeps_statements(&mut connection).await?;
            match (names, kept) {
                (StatementNames::Kept, false) => return Ok(Some(Contradiction::ForgetsStatements)),
                (StatementNames::Forgotten, true) if is_shared => {
                    return Ok(Some(Contradiction::KeepsStatements));
                }
                _ => {}
            }
        }
    }
    let lost = find_lost_settings(&mut connection, address.pooling, &limits).await?;
    Ok((!lost.is_empty()).then(|| Contradiction::SettingsLost(lost.join(", "))))
}

/// Runs a statement that returns a number.
async fn number(connection: &mut PgConnection, statements: &'static str) -> Result<i64, Error> {
    let row = sqlx::raw_sql(statements).fetch_one(connection).await;
    let number = row.and_then(|row| row.try_get(0));
    number.doing("look for a pooler")
}

/// True if a session of PostgreSQL answers both connections. The second holds on to a session while the
/// first asks again.
async fn share_a_session(
    first: &mut PgConnection,
    second: &mut PgConnection,
) -> Result<bool, Error> {
    const WHO: &str = "select pg_backend_pid()::bigint";
    let mut is_shared = false;
    for _ in 0..ROUNDS {
        let before = number(first, WHO).await?;
        let held = number(second, "begin; select pg_backend_pid()::bigint").await?;
        let after = number(first, WHO).await?;
        let ended = sqlx::raw_sql("rollback").execute(&mut *second).await;
        ended.doing("look for a pooler")?;
        is_shared |= held == before || held == after || before != after;
    }
    Ok(is_shared)
}

/// True if the pooler gives statements names of its own, which it knows again in another session.
async fn keeps_statements(connection: &mut PgConnection) -> Result<bool, Error> {
    const DOING: &str = "look for names of prepared statements";
    let mut transaction = connection.begin().await.doing(DOING)?;
    // A prepared statement that finds itself, by the name that PostgreSQL knows.
    let names = sqlx::query_scalar::<_, String>("select name from pg_prepared_statements")
        .fetch_all(&mut *transaction)
        .await;
    let kept = match names {
        Ok(names) => !names.iter().any(|name| name.starts_with("sqlx_s_")),
        // duplicate_prepared_statement: another client's statement has our name.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P05") => false,
        Err(error) => return Err(error).doing(DOING),
    };
    transaction.rollback().await.doing(DOING)?;
    Ok(kept)
}

/// Names the settings that are not as they were made.
async fn find_lost_settings(
    connection: &mut PgConnection,
    pooling: Pooling,
    limits: &Limits,
) -> Result<Vec<String>, Error> {
    const DOING: &str = "read the settings of our connections";
    let begin = match pooling {
        // They were made when the connection was.
        Pooling::Sessions => "begin".to_owned(),
        Pooling::Transactions(_) => format!(
            "begin {READ_COMMITTED}{}; select {}",
            after_begin(),
            as_columns(limits, Scope::Transaction)
        ),
    };
    let begun = sqlx::raw_sql(AssertSqlSafe(begin))
        .execute(&mut *connection)
        .await;
    begun.doing(DOING)?;
    let rows = sqlx::raw_sql("select name, setting from pg_settings")
        .fetch_all(&mut *connection)
        .await;
    let rows = rows.doing(DOING)?;
    let ended = sqlx::raw_sql("rollback").execute(&mut *connection).await;
    ended.doing(DOING)?;
    let present: Result<Vec<(String, String)>, _> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect();
    let present = present.doing(DOING)?;
    let is_as_made =
        |(name, value): &(&str, String)| present.iter().any(|(it, is)| it == name && is == value);
    let lost = of_transactions(limits)
        .into_iter()
        .filter(|setting| !is_as_made(setting));
    Ok(lost.map(|(name, _)| name.to_owned()).collect())
}
