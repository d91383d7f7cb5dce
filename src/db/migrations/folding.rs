//! Folds the codes and addresses that were written before they had folded copies: what migration 12 can't
//! do in SQL.

use sqlx::{PgConnection, migrate::MigrateError};

use crate::domain::folding::Folded;

/// The migration that keeps folded copies.
pub const VERSION: i64 = 12;

/// How many conflicts are named.
const NAMED_MAX: i64 = 10;

/// Two texts that were told apart so far and fold to the same.
#[derive(Debug, thiserror::Error)]
#[error(
    "discount codes and e-mail addresses are compared without regard to case and to how letters are \
     composed from now on, and some that were different are the same then; rename or remove one of \
     each, then migrate again: {0}"
)]
struct Conflicts(String);

/// Fills the temporary table that the migration reads, and says which rows it would refuse.
///
/// # Errors
/// A statement failed, or rows are in conflict.
pub async fn prepare(connection: &mut PgConnection) -> Result<(), MigrateError> {
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
        let folded: Vec<_> = originals.iter().map(|it| Folded::of(it)).collect();
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
