//! The third step: everything that is wrong with rows beyond themselves goes to `import_refused`.

use sqlx::PgConnection;

use splitcart::db::error::Error;

use crate::import_rules::{Column, Kind, Need};

use super::{
    plan::{Check, Plan, over},
    plans, run,
};

/// Checks every row against the database and against the other rows of its file.
///
/// # Errors
/// A statement failed.
pub async fn check(connection: &mut PgConnection, kind: Kind) -> Result<(), Error> {
    for query in queries(kind) {
        refuse(connection, &query).await?;
    }
    let ready = "create index on import_refused (line); analyze import_refused";
    for statement in ready.split("; ") {
        run(connection, statement.to_owned(), "sort what is refused").await?;
    }
    Ok(())
}

/// Notes what a query finds: lines, columns and problems.
pub(super) async fn refuse(connection: &mut PgConnection, query: &str) -> Result<u64, Error> {
    let statement = format!("insert into import_refused (line, column_name, problem) {query}");
    run(connection, statement, "check the rows").await
}

/// What breaks a check. A column that says nothing, or nothing readable, breaks none.
fn breaking(check: &Check) -> String {
    let Check {
        column,
        broken,
        problem,
    } = check;
    format!(
        "select r.line, '{column}', {problem}
         from import_rows r
         where r.{column} is not null and {broken}"
    )
}

fn queries(kind: Kind) -> Vec<String> {
    let plan = plans::of(kind);
    let mut queries: Vec<_> = plan.checks.iter().map(breaking).collect();
    if kind != Kind::Stock {
        let columns = kind.spec().columns.iter();
        let required = columns.filter(|it| matches!(it.need, Need::New | Need::Found));
        queries.extend(required.map(|column| missing(kind, plan, column)));
        queries.extend(plan.kept.iter().map(|name| changed(kind, name)));
        queries.push(taken(kind, plan));
    }
    queries.push(repeated(kind, plan.key, ""));
    if kind != Kind::Stock {
        // Two rows of one id that also have one key were found already.
        let otherwise_fine = "where not exists (
                select from import_refused f where f.line = r.line)";
        queries.push(repeated(kind, &["$.id"], otherwise_fine));
    }
    queries
}

/// New rows that lack a column.
fn missing(kind: Kind, plan: &Plan, column: &Column) -> String {
    let (name, noun) = (column.name, kind.spec().noun);
    let mut lacks = format!("r.given & {} = 0", kind.bit(name));
    let mut wanted = "is required".to_owned();
    if let Some(lookup) = plan.lookup.as_ref().filter(|it| it.column == name) {
        // All that stand for it must be there: one of two names nothing.
        let bits = lookup.by.iter().fold(0, |bits, by| bits | kind.bit(by));
        lacks = format!("{lacks} and r.given & {bits} <> {bits}");
        wanted = format!("is required, or {}", lookup.by.join(" and "));
    }
    format!(
        "select r.line, '{name}', '{wanted} for a {noun} that is new'
         from import_rows r
         where r.target_id is null and {lacks}"
    )
}

/// Rows that would give what is there to somebody else.
fn changed(kind: Kind, name: &str) -> String {
    let noun = kind.spec().noun;
    format!(
        "select r.line, '{name}', format(
            'is %s in the database, and an import never changes that of a {noun}', r.was_{name})
         from import_rows r
         where r.was_{name} <> r.{name}"
    )
}

/// Rows whose key belongs to another id.
fn taken(kind: Kind, plan: &Plan) -> String {
    let noun = kind.spec().noun;
    let columns: Vec<_> = plan.key.iter().map(|part| bare(part)).collect();
    format!(
        "select r.line, 'id', format(
            'is not the {noun} that has this {columns}: that is %s', r.key_id)
         from import_rows r
         where r.key_id <> r.id",
        columns = columns.join(" and "),
    )
}

/// Rows that are about the same thing as another row of the file. None is better than the other, so
/// each is refused.
fn repeated(kind: Kind, key: &[&str], condition: &str) -> String {
    let noun = kind.spec().noun;
    let named = |prefix: &str| -> Vec<_> {
        (1..=key.len())
            .map(|number| format!("{prefix}{number}"))
            .collect()
    };
    let parts: Vec<_> = key
        .iter()
        .zip(named("part"))
        .map(|(part, name)| format!("{} as {name}", over(part, "o")))
        .collect();
    let same: Vec<_> = key
        .iter()
        .zip(named("d.part"))
        .map(|(part, name)| format!("{} = {name}", over(part, "r")))
        .collect();
    format!(
        "select r.line, null, format(
            'is about the same {noun} as line %s',
            case r.line when d.first then d.last else d.first end)
         from import_rows r
         join (
            select {parts}, min(o.line) as first, max(o.line) as last
            from import_rows o
            group by {group}
            having count(*) > 1
         ) as d on {same}
         {condition}",
        parts = parts.join(", "),
        group = named("part").join(", "),
        same = same.join(" and "),
    )
}

/// The column of the file that a part of a key is about, such as `$.code_folded`.
fn bare(part: &str) -> &str {
    part.trim_start_matches("$.").trim_end_matches("_folded")
}
