//! Every constraint refuses the rows that violate it, and the error has its name.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::Database;

use super::{
    cases::{CHECKS, FOREIGN_KEYS, IMPLIED, UNIQUE_KEYS},
    rows,
};

/// Checks, foreign keys, unique keys and exclusions, by kind, and unique indexes without a
/// constraint.
const NAMES: &str = "
    select conname::text from pg_constraint
    where connamespace = 'public'::regnamespace and contype in ('c', 'f', 'u', 'x', 't')
    union
    select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid
    where i.relnamespace = 'public'::regnamespace and x.indisunique and not x.indisprimary";

const TABLES: &str = "
    select relname::text from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not like '\\_sqlx%'
    order by length(relname) desc, relname";

async fn list(database: &Database, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query)
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

/// A constraint's name begins with its table's.
fn table_of<'t>(tables: &'t [String], constraint: &str) -> &'t str {
    let mut tables = tables.iter();
    let table = tables.find(|table| constraint.starts_with(&format!("{table}_")));
    table.unwrap_or_else(|| panic!("{constraint} names no table"))
}

/// Each case as the constraint, its table and a statement.
fn statements(tables: &[String]) -> Vec<(&'static str, &str, String)> {
    let checks = CHECKS.iter().map(|(name, change)| {
        let table = table_of(tables, name);
        (*name, table, format!("update {table} set {change}"))
    });
    let foreign_keys = FOREIGN_KEYS.iter().map(|(name, column)| {
        let table = table_of(tables, name);
        let nobody = "99999999-0000-7000-8000-000000000000";
        (
            *name,
            table,
            format!("update {table} set {column} = '{nobody}'"),
        )
    });
    let unique_keys = UNIQUE_KEYS.iter().map(|(name, change)| {
        let table = table_of(tables, name);
        (*name, table, copy(table, change))
    });
    checks.chain(foreign_keys).chain(unique_keys).collect()
}

/// Inserts a row again under another id, with some columns changed.
fn copy(table: &str, change: &str) -> String {
    format!(
        "insert into {table}
         select (jsonb_populate_record(
            t, jsonb_build_object('id', gen_random_uuid()) || '{change}')).*
         from {table} t limit 1"
    )
}

/// Runs a statement and rolls it back; returns the constraint that refused it, if one did.
async fn refused_by(
    connection: &mut PgConnection,
    before: &str,
    statement: &str,
) -> Option<String> {
    let mut transaction = connection.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(before.to_owned()))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let result = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut *transaction)
        .await;
    transaction.rollback().await.unwrap();
    match result {
        Ok(done) => {
            assert!(done.rows_affected() > 0, "{statement} met no row");
            None
        }
        Err(sqlx::Error::Database(error)) => {
            Some(error.constraint().unwrap_or(error.message()).to_owned())
        }
        Err(error) => panic!("{statement}: {error}"),
    }
}

#[tokio::test]
async fn every_constraint_refuses_what_violates_it() {
    let database = rows::database().await;
    let tables = list(&database, TABLES).await;
    let mut connection = database.pool.acquire().await.unwrap();
    for (name, table, statement) in statements(&tables) {
        let refused = refused_by(&mut connection, "", &statement).await;
        assert_eq!(refused.as_deref(), Some(name), "{statement}");
        // Without the constraint the same statement passes: no other constraint refuses it.
        let implied = IMPLIED.iter().filter(|(implying, _)| *implying == name);
        let names = implied.map(|(_, implied)| *implied).chain([name]);
        let drop = |name| {
            format!(
                "alter table {table} drop constraint if exists {name}; drop index if exists {name}"
            )
        };
        let drops = names.map(drop).collect::<Vec<_>>().join(";");
        let refused = refused_by(&mut connection, &drops, &statement).await;
        assert_eq!(refused, None, "{statement} without {name}");
    }
    for (name, _) in IMPLIED {
        assert!(CHECKS.iter().any(|(check, _)| check == name), "{name}");
    }
}

#[tokio::test]
async fn no_constraint_is_without_a_case() {
    let database = rows::database().await;
    let tables = list(&database, TABLES).await;
    let covered: BTreeSet<_> = statements(&tables)
        .into_iter()
        .map(|(name, ..)| name.to_owned())
        .collect();

    let there = list(&database, NAMES)
        .await
        .into_iter()
        .collect::<BTreeSet<_>>();

    assert_eq!(covered, there);
    // Every table has a good row that a case can change.
    for table in tables {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}")))
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert!(rows > 0, "{table} is empty");
    }
}

#[tokio::test]
async fn every_primary_key_refuses_a_second_row() {
    let database = rows::database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    for table in list(&database, TABLES).await {
        // Among several unique keys the primary one was created first and is checked first.
        let again = format!("insert into {table} select * from {table} limit 1");
        let refused = refused_by(&mut connection, "", &again).await;
        assert_eq!(refused, Some(format!("{table}_pkey")));
    }
}

/// Values that are unique only within a scope may repeat outside of it.
#[tokio::test]
async fn unique_keys_reach_no_farther_than_they_say() {
    let database = rows::database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let buyer = r#"{"vendor_store_id": "20000000-0000-7000-8000-000000000000"}"#;
    for (table, change) in [
        ("licenses", r#"{"issuing_state": "TX"}"#),
        ("products", buyer),
        ("store_discounts", buyer),
        (
            "store_memberships",
            r#"{"store_id": "30000000-0000-7000-8000-000000000000"}"#,
        ),
        ("product_volume_discounts", r#"{"min_qty": 11}"#),
        (
            "cart_records",
            r#"{"status": "converted", "converted_at": "2026-01-01T00:00:00Z"}"#,
        ),
        (
            "cart_records",
            r#"{"buyer_store_id": "30000000-0000-7000-8000-000000000000"}"#,
        ),
        ("outbox_events", r#"{"event_type": "order_changed"}"#),
        (
            "outbox_events",
            r#"{"aggregate_id": "20000000-0000-7000-8000-000000000000"}"#,
        ),
    ] {
        let refused = refused_by(&mut connection, "", &copy(table, change)).await;
        assert_eq!(refused, None, "{table} {change}");
    }
    // An event that may occur again has the same aggregate.
    let twice = copy("outbox_events", r#"{"event_type": "order_changed"}"#);
    let refused = refused_by(&mut connection, &twice, &twice).await;
    assert_eq!(refused, None);
}

/// A referenced row can't be deleted; only the deletion of a cart deletes its lines.
#[tokio::test]
async fn what_is_referred_to_can_t_be_deleted() {
    let database = rows::database().await;
    let cascading = "select conname::text from pg_constraint
                     where connamespace = 'public'::regnamespace and contype = 'f'
                     and (confdeltype not in ('a', 'r') or confupdtype not in ('a', 'r'))
                     order by 1";
    assert_eq!(
        list(&database, cascading).await,
        ["cart_items_cart_fkey", "cart_vendor_discounts_cart_fkey"]
    );
    let mut connection = database.pool.acquire().await.unwrap();
    for table in [
        "users",
        "stores",
        "products",
        "cart_records",
        "checkout_groups",
        "vendor_orders",
    ] {
        let refused = refused_by(&mut connection, "", &format!("delete from {table}")).await;
        assert!(refused.is_some_and(|by| by.ends_with("_fkey")), "{table}");
    }
}
