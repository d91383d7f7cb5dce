//! Reads the refused rows and their problems.

use futures_util::{Stream, StreamExt};
use serde_json::Value;
use sqlx::PgConnection;

use splitcart::db::error::{Doing, Error};

/// A row that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The line on which it begins.
    pub line: u64,
    /// A list of `{"column", "problem"}`.
    pub problems: Value,
    /// The row as JSON, if it was kept.
    pub text: Option<String>,
}

/// The number of refused rows.
///
/// # Errors
/// The statement failed.
pub async fn refused_count(connection: &mut PgConnection) -> Result<u64, Error> {
    let count: i64 = sqlx::query_scalar("select count(distinct line) from import_refused")
        .fetch_one(connection)
        .await
        .doing("count what was refused")?;
    Ok(count.unsigned_abs())
}

/// All refused rows, in the order of their lines.
pub fn refused(
    connection: &mut PgConnection,
) -> impl Stream<Item = Result<Refused, Error>> + Unpin + '_ {
    sqlx::query_as::<_, (i64, Value, Option<String>)>(
        "select r.line, r.problems, l.line_text
         from (
            select
                line,
                jsonb_agg(distinct jsonb_build_object('column', column_name, 'problem', problem))
                    as problems
            from import_refused
            group by line
         ) as r
         join import_lines l using (line)
         order by r.line",
    )
    .fetch(connection)
    .map(|row| {
        let (line, problems, text) = row.doing("read what was refused")?;
        Ok(Refused {
            line: line.unsigned_abs(),
            problems,
            text,
        })
    })
}
