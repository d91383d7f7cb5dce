//! The last step: writes the accepted rows that change something.

use sqlx::PgConnection;

use splitcart::db::error::Error;

use crate::import_rules::Kind;

use super::{
    ACCEPTED,
    plans::{self, stored},
    run,
};

/// The numbers of rows that a file has changed, or would change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub inserted: u64,
    pub updated: u64,
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, more: Self) {
        self.inserted += more.inserted;
        self.updated += more.updated;
    }
}

/// Writes every accepted row of a kind that has ids; stock is written by
/// [`count_stock`](super::count_stock).
///
/// # Errors
/// A statement failed; the transaction is lost.
pub async fn apply(connection: &mut PgConnection, kind: Kind) -> Result<Changes, Error> {
    let updated = run(connection, updating(kind), "update what is there").await?;
    let inserted = run(connection, inserting(kind), "insert what is new").await?;
    Ok(Changes { inserted, updated })
}

/// Gathers statistics on the kind's table, so that the next statements are planned for its new size.
///
/// # Errors
/// The statement failed.
pub async fn analyze(connection: &mut PgConnection, kind: Kind) -> Result<(), Error> {
    let statement = format!("analyze {}", plans::of(kind).table);
    run(connection, statement, "gather statistics").await?;
    Ok(())
}

/// A column that is never changed is not even assigned: assigning a key would lock it against a checkout
/// that is about to refer to it.
fn updating(kind: Kind) -> String {
    let assignments: Vec<_> = changeable(kind)
        .map(|name| format!("{name} = r.{name}"))
        .collect();
    format!(
        "update {table} t
         set {assignments}, updated_at = now()
         from import_rows r
         where t.id = r.target_id and {differs} and {ACCEPTED}",
        table = plans::of(kind).table,
        assignments = assignments.join(", "),
        differs = differs(kind),
    )
}

/// In the order of their ids, which is kind to the index.
fn inserting(kind: Kind) -> String {
    let columns: Vec<_> = stored(kind).collect();
    format!(
        "insert into {table} (id, {columns})
         select r.id, r.{values}
         from import_rows r
         where r.target_id is null and {ACCEPTED}
         order by r.id",
        table = plans::of(kind).table,
        columns = columns.join(", "),
        values = columns.join(", r."),
    )
}

fn differs(kind: Kind) -> String {
    let columns: Vec<_> = changeable(kind).collect();
    format!(
        "(t.{theirs}) is distinct from (r.{ours})",
        theirs = columns.join(", t."),
        ours = columns.join(", r."),
    )
}

fn changeable(kind: Kind) -> impl Iterator<Item = &'static str> {
    let kept = plans::of(kind).kept;
    stored(kind).filter(|name| !kept.contains(name))
}
