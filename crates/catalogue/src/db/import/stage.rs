//! The first step: rows go into `import_lines` by `COPY`, as many as there are.

use sqlx::PgConnection;
use uuid::Uuid;

use splitcart::{
    db::error::{Doing, Error},
    domain::folding::Folded,
};

use crate::{
    db::bulk::CopyText,
    import_rules::{Kind, Row},
};

use super::{plan::sql_type, plans, run};

/// A row and its place in the file.
#[derive(Debug)]
pub struct Line<'a> {
    /// The line on which it begins, from 1.
    pub number: u64,
    /// The row as JSON, if refused rows are to be handed back.
    pub text: Option<&'a str>,
    /// The values and problems of the row.
    pub row: &'a Row,
    /// The id of the row if it is new and has none.
    pub new_id: Uuid,
}

impl Line<'_> {
    /// Writes the row as a line of `COPY` text.
    pub fn encode(&self, kind: Kind, text: &mut CopyText) {
        let problems = (!self.row.problems.is_empty()).then(|| {
            serde_json::to_string(&self.row.problems).expect("a list of strings becomes JSON")
        });
        text.field(self.number)
            .nullable(self.text)
            .nullable(problems)
            .field(format_args!("{{{}}}", self.row.given.join(",")))
            .field(self.new_id);
        for value in &self.row.values {
            text.nullable(value.as_ref());
        }
        if let Some(folding) = &plans::of(kind).folded {
            let columns = kind.spec().columns.iter();
            let mut values = columns.zip(&self.row.values);
            let value = values.find(|(column, _)| column.name == folding.source);
            let value = value.and_then(|(_, value)| value.as_deref());
            text.nullable(value.map(Folded::of));
        }
        text.end_line();
    }
}

/// Creates `import_lines` and fills it with the text that `next` hands over. Returns the number of rows.
///
/// # Errors
/// The outer: a statement failed. The inner: the source's own; nothing is staged then.
pub async fn stage<E>(
    connection: &mut PgConnection,
    kind: Kind,
    mut next: impl AsyncFnMut() -> Option<Result<CopyText, E>>,
) -> Result<Result<u64, E>, Error> {
    let doing = "make room for what is imported";
    let leftovers = "drop table if exists import_lines, import_rows, import_refused";
    run(connection, leftovers.to_owned(), doing).await?;
    run(connection, create_lines(kind), doing).await?;
    let mut copy = connection
        .copy_in_raw("copy import_lines from stdin")
        .await
        .doing("begin to copy rows")?;
    while let Some(text) = next().await {
        match text {
            Ok(text) => {
                copy.send(text.as_bytes()).await.doing("copy rows")?;
            }
            Err(error) => {
                copy.abort("the file can't be read on")
                    .await
                    .doing("give up copying rows")?;
                return Ok(Err(error));
            }
        }
    }
    let rows = copy.finish().await.doing("finish copying rows")?;
    // PostgreSQL gathers no statistics on temporary tables by itself.
    run(
        connection,
        "analyze import_lines".to_owned(),
        "gather statistics",
    )
    .await?;
    Ok(Ok(rows))
}

fn create_lines(kind: Kind) -> String {
    let columns = kind.spec().columns.iter();
    let columns = columns.map(|column| format!("{} {}", column.name, sql_type(column.format)));
    let folded = plans::of(kind).folded.as_ref();
    let columns: Vec<_> = columns
        .chain(folded.map(|folding| format!("{} text", folding.column)))
        .collect();
    format!(
        "create temporary table import_lines (
            line bigint not null,
            line_text text,
            problems jsonb,
            given text[] not null,
            new_id uuid not null,
            {}
        )",
        columns.join(", ")
    )
}
