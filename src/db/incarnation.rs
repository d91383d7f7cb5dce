//! Identifies the incarnation of the database: this database, since it was last restored or replaced.

use sqlx::PgConnection;

use super::error::{Doing, Error};

/// Returns a text that differs between databases, and that changes when a database is restored, rewound or
/// replaced by a standby.
///
/// The text consists of
/// - the start of the server, which was started again if it was promoted, recovered to a point in time,
///   or found its files put back;
/// - the id of the database, which is a new one after the database was dropped and created again;
/// - the files of the tables of first answers, carts and checkout groups, which change if a dump drops,
///   creates or truncates them.
///
/// Any role may read all of these. The system identifier and the timeline would say less: restored files
/// bring theirs along.
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
                    -- Not ::regclass, which is resolved when the statement is prepared.
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
