//! Importing: rows are copied into temporary tables, checked there as sets, and applied as sets.
//!
//! The statements are built from the columns of a kind (`import_rules`) and from its plan (`plans`), not
//! written out nine times; sqlx's macros could not check them, because they don't see temporary tables.
//! Only constants of this crate are ever put into them. Three temporary tables belong to the connection:
//!
//! | table | its rows |
//! |---|---|
//! | `import_lines` | every row as it was read, with the problems that it shows alone |
//! | `import_rows` | the rows that the database would have, and the ids of those that it has |
//! | `import_refused` | the problems, one in each row |
//!
//! Nothing begins or commits here. The caller holds the table's lock while it applies ([`lock_table`]):
//! other imports wait for it and checkouts don't.

mod apply;
mod check;
mod looked_up;
mod plan;
mod plans;
mod refused;
mod resolve;
mod stage;
mod stock;

use sqlx::{AssertSqlSafe, PgConnection};

use splitcart::db::error::{Doing, Error};

use crate::import_rules::Kind;

pub use apply::{Changes, analyze, apply};
pub use check::check;
pub use refused::{Refused, refused, refused_count};
pub use resolve::resolve;
pub use stage::{Line, stage};
pub use stock::{Intent, Part, count_stock};

/// The condition that a row `r` of `import_rows` has no problem.
const ACCEPTED: &str = "not exists (select from import_refused f where f.line = r.line)";

/// Makes other imports of the kind wait until the transaction ends, so that the resolved rows stay
/// true. Checkouts and readers go on: they take weaker locks.
///
/// # Errors
/// The statement failed.
pub async fn lock_table(connection: &mut PgConnection, kind: Kind) -> Result<(), Error> {
    let table = plans::of(kind).table;
    let statement = format!("lock table {table} in share update exclusive mode");
    run(connection, statement, "keep other imports waiting").await?;
    Ok(())
}

/// Runs a statement that was built here and returns the number of rows written.
async fn run(
    connection: &mut PgConnection,
    statement: String,
    doing: &'static str,
) -> Result<u64, Error> {
    let done = sqlx::query(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .doing(doing)?;
    Ok(done.rows_affected())
}
