//! Folds the discount codes and e-mail addresses of databases from before migration 12, which adds folded
//! copies and can't compute them in SQL.

use sqlx::{PgConnection, migrate::MigrateError};

use crate::domain::folding::Folded;

/// The migration that adds folded copies.
pub(super) const VERSION: i64 = 12;

/// The most conflicts that are named.
const NAMED_MAX: i64 = 10;

/// Texts that were different so far and fold to the same.
#[derive(Debug, thiserror::Error)]
#[error(
    "discount codes and e-mail addresses are compared from now on without regard to case and to the \
     composition of letters, and some that were different become the same; rename or remove all but one \
     of each, then migrate again: {0}"
)]
struct Conflicts(String);

/// Fills the temporary table that the migration reads.
///
/// # Errors
/// Names the rows that would violate the unique keys of the folded copies.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), MigrateError> {
    sqlx::raw_sql(
        "create temporary table if not exists folding (
            original text primary key,
            folded   text not null
        );
        truncate pg_temp.folding",
    )
    .execute(&mut *connection)
    .await?;
    let originals: Vec<String> = sqlx::query_scalar(
        "select email from users where email ~ '[^\\x01-\\x7f]' or email ~ '^\\s|\\s$'
         union
         select code from store_discounts where code ~ '[^\\x01-\\x7f]' or code ~ '^\\s|\\s$'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for originals in originals.chunks(10_000) {
        let folded: Vec<_> = originals.iter().map(|text| Folded::of(text)).collect();
        sqlx::query(
            "insert into pg_temp.folding (original, folded)
             select * from unnest($1::text[], $2::text[])",
        )
        .bind(originals)
        .bind(folded)
        .execute(&mut *connection)
        .await?;
    }
    let conflicts: Vec<String> = sqlx::query_scalar(
        "select format('users %s: \"%s\"', string_agg(id::text, ' and ' order by id), folded)
         from (
            select u.id, coalesce(f.folded, lower(btrim(u.email) collate \"C\")) as folded
            from users u
            left join pg_temp.folding f on f.original = u.email
         ) as u
         group by folded
         having count(*) > 1
         union all
         select format(
            'store_discounts %s: \"%s\"', string_agg(id::text, ' and ' order by id), folded)
         from (
            select
                d.id, d.vendor_store_id,
                coalesce(f.folded, lower(btrim(d.code) collate \"C\")) as folded
            from store_discounts d
            left join pg_temp.folding f on f.original = d.code
         ) as d
         group by vendor_store_id, folded
         having count(*) > 1
         limit $1",
    )
    .bind(NAMED_MAX)
    .fetch_all(connection)
    .await?;
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(MigrateError::Source(Box::new(Conflicts(
        conflicts.join("; "),
    ))))
}
