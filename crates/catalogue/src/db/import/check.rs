//! The third step: the problems that a row does not show alone go to `import_refused`.

use sqlx::PgConnection;

use splitcart::db::error::Error;

use crate::import_rules::{Column, Kind, Need};

use super::{
    plan::{Plan, names, same},
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

/// Notes the lines, columns and problems that a query finds.
pub(super) async fn refuse(connection: &mut PgConnection, query: &str) -> Result<u64, Error> {
    let statement = format!("insert into import_refused (line, column_name, problem) {query}");
    run(connection, statement, "check the rows").await
}

fn queries(kind: Kind) -> Vec<String> {
    let plan = plans::of(kind);
    let mut queries: Vec<_> = plan.checks.iter().map(ToString::to_string).collect();
    if kind == Kind::Stock {
        queries.push(repeated(kind, plan.key, ""));
        return queries;
    }
    let columns = kind.spec().columns.iter();
    let required = columns
        .filter(|column| matches!(column.need, Need::RequiredForNew | Need::RequiredOrLookup));
    queries.extend(required.map(|column| missing(kind, plan, column)));
    queries.extend(plan.kept.iter().map(|name| changed(kind, name)));
    queries.push(taken(kind, plan));
    queries.push(repeated(kind, plan.key, ""));
    // Two rows of one id that also have one key were found already.
    let otherwise_fine = "where not exists (
            select from import_refused f where f.line = r.line)";
    queries.push(repeated(kind, &["id"], otherwise_fine));
    queries
}

/// New rows that lack a column.
fn missing(kind: Kind, plan: &Plan, column: &Column) -> String {
    let (name, noun) = (column.name, kind.spec().noun);
    let mut lacks = format!("'{name}' <> all (r.given)");
    let mut wanted = "is required".to_owned();
    let lookup = plan.lookup.as_ref();
    if let Some(lookup) = lookup.filter(|lookup| lookup.column == name) {
        // All columns that stand for it must be there: one of two names nothing.
        lacks = format!("{lacks} and not r.given @> {}", names(lookup.by));
        wanted = format!("is required, or {}", lookup.by.join(" and "));
    }
    format!(
        "select r.line, '{name}', '{wanted} for a {noun} that is new'
         from import_rows r
         where r.target_id is null and {lacks}"
    )
}

/// Rows that would change a column that never changes, such as the owner of a product.
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
    format!(
        "select r.line, 'id', format(
            'is not the {noun} that has this {key}: that is %s', r.key_id)
         from import_rows r
         where r.key_id <> r.id",
        key = plan.key_in_file().join(" and "),
    )
}

/// Rows that are about the same thing as another row of the file. None is better than the other, so
/// each is refused.
fn repeated(kind: Kind, key: &[&str], condition: &str) -> String {
    format!(
        "select r.line, null, format(
            'is about the same {noun} as line %s',
            case r.line when d.first then d.last else d.first end)
         from import_rows r
         join (
            select {key}, min(line) as first, max(line) as last
            from import_rows
            group by {key}
            having count(*) > 1
         ) as d on {same}
         {condition}",
        noun = kind.spec().noun,
        same = same(key, "r", "d"),
        key = key.join(", "),
    )
}
