//! The rights of the role that serves: exactly those that the running service needs. Migrations,
//! imports, the seed, load tests and the audit run as the owner of the tables.

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Doing, Error};

/// The privileges on each table. One test serves with them, another one tries to do more.
const GRANTS: [(&str, &str); 27] = [
    ("_sqlx_migrations", "select"),
    // A row is locked to find out whether a foreign key could refer to it now. For that PostgreSQL requires
    // the right to update some column; this one is of no consequence.
    ("users", "select, update (created_at)"),
    ("stores", "select, update (created_at)"),
    ("products", "select, update (created_at)"),
    ("store_memberships", "select"),
    ("licenses", "select"),
    ("subscriptions", "select"),
    ("product_volume_discounts", "select"),
    ("store_discounts", "select"),
    (
        "inventory_items",
        "select, \
         insert (created_at, updated_at, product_id, vendor_store_id, available_qty, \
         low_stock_threshold, version), \
         update (available_qty, reserved_qty, fulfilled_qty, low_stock_threshold, version, updated_at)",
    ),
    ("cart_records", "select, insert, update"),
    ("cart_items", "select, insert, delete"),
    ("cart_vendor_discounts", "select, insert, delete"),
    ("cart_put_keys", "select, insert, update, delete"),
    (
        "checkout_groups",
        "select, insert, update (subtotal, discount_total, total)",
    ),
    (
        "vendor_orders",
        "select, insert, update (status, subtotal, discount_total, total, balance_due, rejection_reason, updated_at)",
    ),
    (
        "order_line_items",
        "select, insert, update (status, rejection_reason, rejection_detail, updated_at)",
    ),
    (
        "payment_intents",
        "select, insert, update (status, amount, updated_at)",
    ),
    ("inventory_keys", "select, insert, update, delete"),
    ("idempotency_keys", "select, insert, update, delete"),
    ("outbox_events", "select, insert, update, delete"),
    // The row is locked, and says which sink is the primary one.
    (
        "outbox_sequencing",
        "select, update (primary_sink, updated_at)",
    ),
    ("outbox_sinks", "select, insert, update, delete"),
    ("outbox_backlog", "select, insert, update, delete"),
    ("webhook_endpoints", "select, insert, update, delete"),
    ("webhook_deliveries", "select, insert, update, delete"),
    ("expiry_progress", "select, update (walked_to, updated_at)"),
];
/// Dead letters are written, read by followers and live streams, and moved when another sink becomes the
/// primary one.
const DEAD_LETTERS: (&str, &str) = ("outbox_dead_letters", "select, insert, delete");
/// The places of events in the log.
const SEQUENCE: &str = "outbox_events_seq";

/// The reason for which a role can't be the one that serves.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such role.
    #[error(
        "PostgreSQL has no role {role:?}: create it first, as in `create role \"{role}\" login password '…'`"
    )]
    NoRole {
        /// The role.
        role: String,
    },
    /// The role has more rights that can't be revoked from it.
    #[error("the role {role:?} is {what}, whose rights can't be restricted: name another one")]
    MayMore {
        /// The role.
        role: String,
        /// A noun phrase, such as "a superuser".
        what: &'static str,
    },
    /// A statement failed.
    #[error(transparent)]
    Statement(#[from] Error),
}

/// Grants a role the rights to serve, and revokes all others in this schema. Must be repeated after each
/// migration, which may have added a table.
pub async fn let_serve(connection: &mut PgConnection, role: &str) -> Result<(), GrantError> {
    // Not `query!`: this reads the server's catalogue, not the schema.
    let known: Option<(bool, bool)> = sqlx::query_as(
        "select rolsuper, pg_has_role(oid, (select nspowner from pg_namespace
                where oid = 'public'::regnamespace), 'member')
                or exists (select from pg_class
                    where relnamespace = 'public'::regnamespace
                        and pg_has_role(r.oid, relowner, 'member'))
            from pg_roles r
            where rolname = $1",
    )
    .bind(role)
    .fetch_optional(&mut *connection)
    .await
    .doing("look at the role")?;
    let role_name = role.to_owned();
    match known {
        None => return Err(GrantError::NoRole { role: role_name }),
        Some((is_superuser, owns)) if is_superuser || owns => {
            let what = if is_superuser {
                "a superuser"
            } else {
                "the owner of the tables, or a member of it"
            };
            return Err(GrantError::MayMore {
                role: role_name,
                what,
            });
        }
        Some(_) => {}
    }
    // Several statements in one message are one transaction, so a failure changes nothing.
    sqlx::raw_sql(AssertSqlSafe(statements(role)))
        .execute(connection)
        .await
        .doing("grant privileges")?;
    Ok(())
}

/// The role of a connection, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct OwnRole {
    /// True for the owner of the schema and of its tables, who may migrate.
    pub owns: bool,
    pub is_superuser: bool,
}

/// Reads what the role of this connection may do.
pub async fn own_role(connection: &mut PgConnection) -> Result<OwnRole, Error> {
    // Not `query!`: this reads the server's catalogue, not the schema.
    sqlx::query_as(
        "select current_setting('is_superuser')::bool as is_superuser,
            has_schema_privilege('public', 'create') and not exists (
                select from pg_class
                where relnamespace = 'public'::regnamespace
                    and relkind = 'r'
                    and not pg_has_role(relowner, 'member')) as owns",
    )
    .fetch_one(connection)
    .await
    .doing("look at the own role")
}

/// Finds the privileges that the role of this connection lacks for serving, such as `update on users`. All
/// migrations must have been applied.
pub async fn missing_privileges(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let (mut tables, mut privileges, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    for (table, granted) in GRANTS.iter().chain([&DEAD_LETTERS]) {
        for (privilege, column) in single_privileges(granted) {
            tables.push(*table);
            privileges.push(privilege);
            columns.push(column);
        }
    }
    let mut missing: Vec<String> = sqlx::query_scalar(
        "select distinct privilege || ' on ' || name
            from unnest($1::text[], $2::text[], $3::text[]) needed (name, privilege, column_name)
            where not case column_name
                when '' then has_table_privilege('public.' || name, privilege)
                else has_column_privilege('public.' || name, column_name, privilege)
            end
            order by 1",
    )
    .bind(tables)
    .bind(privileges)
    .bind(columns)
    .fetch_all(&mut *connection)
    .await
    .doing("look at the own privileges")?;
    let has_sequence: bool =
        sqlx::query_scalar("select has_sequence_privilege('public.' || $1, 'usage')")
            .bind(SEQUENCE)
            .fetch_one(connection)
            .await
            .doing("look at the own privileges")?;
    if !has_sequence {
        missing.push(format!("usage on {SEQUENCE}"));
    }
    Ok(missing)
}

/// Takes `select, update (a, b)` apart: each privilege with its column, which is empty for the whole table.
fn single_privileges(granted: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = granted.trim();
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let privilege = rest[..end].trim();
        let after = &rest[end..];
        rest = if let Some((columns, after)) =
            after.strip_prefix('(').and_then(|it| it.split_once(')'))
        {
            found.extend(columns.split(',').map(|column| (privilege, column.trim())));
            after
        } else {
            found.push((privilege, ""));
            after
        };
        rest = rest.trim_start_matches([',', ' ']);
    }
    found
}

fn statements(role: &str) -> String {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let mut all = vec![
        // Concurrent grants on one table would fail, and a migration may be adding a table.
        "lock table _sqlx_migrations in share row exclusive mode".to_owned(),
        format!("revoke all on all tables in schema public from {role}"),
        format!("revoke all on all sequences in schema public from {role}"),
        format!("revoke create on schema public from {role}"),
        format!("grant usage on schema public to {role}"),
    ];
    for (table, privileges) in GRANTS.iter().chain([&DEAD_LETTERS]) {
        all.push(format!("grant {privileges} on {table} to {role}"));
    }
    all.push(format!("grant usage on sequence {SEQUENCE} to {role}"));
    all.join(";\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_taken_apart() {
        assert_eq!(
            single_privileges("select, insert (a, b), update (c), delete"),
            [
                ("select", ""),
                ("insert", "a"),
                ("insert", "b"),
                ("update", "c"),
                ("delete", "")
            ]
        );
    }
}
