//! Importing: rows are copied into temporary tables, checked there as sets, and applied as sets.
//!
//! The statements are put together from a kind's columns (`import_rules`) and from its plan here,
//! not written out nine times; temporary tables are out of the macros' sight anyway. Only our own
//! constants are ever put into them. Three temporary tables belong to the connection:
//!
//! | table | what stands in it |
//! |---|---|
//! | `import_lines` | every row as it was read, with what was wrong with it alone |
//! | `import_rows` | what each row would make of the database, and which row there it is about |
//! | `import_refused` | everything that is wrong, one problem a row |
//!
//! Nothing begins or commits here. Whoever applies holds the table's lock ([`lock_table`]), which
//! other imports wait for and checkouts don't.

mod apply;
mod check;
mod plan;
mod plans;
mod refused;
mod resolve;
mod stage;
mod stock;

use sqlx::{AssertSqlSafe, PgConnection};

use splitcart::db::error::{Doing, Error};

use crate::import_rules::Kind;

pub use apply::{Changes, analyze, apply, foresee};
pub use check::check;
pub use refused::{Refused, refused, refused_count};
pub use resolve::resolve;
pub use stage::{Line, stage};
pub use stock::{Part, apply_stock, lock_stock, recheck_stock};

/// Of a row `r` of `import_rows`: nothing is wrong with it.
const ACCEPTED: &str = "not exists (select from import_refused f where f.line = r.line)";

/// Makes other imports of the kind wait until the transaction ends, so that what was resolved stays
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

/// Runs a statement that was put together here and returns how many rows it wrote.
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
