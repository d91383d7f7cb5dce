//! What tells this database from every other one, and from what it was before it was restored.

use sqlx::PgConnection;

use super::error::{Doing, Error};

/// A text that is another one for another database, and for the same one after it was restored, rewound
/// or replaced by a standby.
///
/// When the server was started: it was started anew if it was promoted, recovered to a point in time, or
/// found its files put back. Which database of that server: another one if it was dropped and made
/// again. Which files the tables of first answers, and of what they tell of, are in: others if a dump
/// has dropped, made or truncated them. Any role may ask all of it. (The system's identifier and the
/// timeline tell less than the start: files that are put back bring theirs along.)
///
/// # Errors
/// The statement failed.
pub async fn read(connection: &mut PgConnection) -> Result<String, Error> {
    sqlx::query_scalar!(
        r#"
        select concat_ws(
            ' ',
            extract(epoch from pg_postmaster_start_time()),
            (select oid from pg_database where datname = current_database()),
            (
                select string_agg(concat_ws(' ', oid, relfilenode), ' ' order by oid)
                from pg_class
                where oid in (
                    -- Not ::regclass: that is looked up when the statement is prepared.
                    to_regclass('idempotency_keys'),
                    to_regclass('checkout_groups'),
                    to_regclass('cart_put_keys'),
                    to_regclass('cart_records'))
            )
        ) as "name!"
        "#,
    )
    .fetch_one(connection)
    .await
    .doing("ask which database this is")
}
