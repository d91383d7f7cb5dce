//! The second step: finds the row of the database that each line is about, and the row that the line would
//! make of it.

use sqlx::PgConnection;

use splitcart::db::error::Error;

use crate::import_rules::{Column, Kind, Need};

use super::{
    looked_up::looked_up,
    plan::{Folding, Plan, default_of, names, same},
    plans, run, stock,
};

/// PostgreSQL gathers no statistics on temporary tables by itself.
const ANALYZE: &str = "analyze import_rows";

const REFUSED: &str = "
    create temporary table import_refused as
    select l.line, p ->> 'column' as column_name, p ->> 'problem' as problem
    from import_lines l
    cross join jsonb_array_elements(l.problems) as p";

/// Makes `import_rows` and `import_refused` from `import_lines`. The latter begins with what was
/// wrong with the rows alone.
///
/// # Errors
/// A statement failed.
pub async fn resolve(connection: &mut PgConnection, kind: Kind) -> Result<(), Error> {
    let rows = match kind {
        Kind::Stock => vec![stock::resolving(), stock::indexing()],
        _ => vec![resolving(kind)],
    };
    for statement in rows.into_iter().chain([ANALYZE.to_owned()]) {
        run(connection, statement, "find what the rows are about").await?;
    }
    run(connection, REFUSED.to_owned(), "note what is wrong").await?;
    Ok(())
}

/// `l` is the line, `s` the line with what it names looked up, `k` the row that has its key, `t` the
/// row that it is about: the one with its id, or else `k`.
fn resolving(kind: Kind) -> String {
    let plan = plans::of(kind);
    let mut columns: Vec<_> = kind
        .spec()
        .columns
        .iter()
        .filter(|column| column.need != Need::GeneratedId)
        .map(|column| effective(plan, column))
        .collect();
    columns.extend(plan.folded.as_ref().map(|folding| folded(kind, folding)));
    columns.extend(
        plan.kept
            .iter()
            .map(|name| format!("t.{name} as was_{name}")),
    );
    format!(
        "create temporary table import_rows as
         select
            s.line,
            s.given,
            k.id as key_id,
            t.id as target_id,
            coalesce(t.id, s.id, s.new_id) as id,
            {columns}
         from ({lines}) as s
         left join {table} k on {same_key}
         left join {table} t on t.id = coalesce(s.id, k.id)",
        columns = columns.join(",\n            "),
        lines = looked_up(kind),
        table = plan.table,
        same_key = same(plan.key, "k", "s"),
    )
}

/// The value of the folded copy of a column once the row is applied.
fn folded(kind: Kind, folding: &Folding) -> String {
    let Folding { source, column } = folding;
    if !plans::stored(kind).any(|name| name == *column) {
        return format!("s.{column}");
    }
    format!("case when '{source}' = any (s.given) then s.{column} else t.{column} end as {column}")
}

/// The value of a column once the row is applied.
fn effective(plan: &Plan, column: &Column) -> String {
    let name = column.name;
    if column.need == Need::Optional {
        return format!("s.{name}");
    }
    format!(
        "case
                when s.given && {given_by} then s.{name}
                when t.id is not null then t.{name}
                else {default}
            end as {name}",
        given_by = names(&plan.given_by(name)),
        default = default_of(column),
    )
}
