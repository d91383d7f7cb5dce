//! A past that every measurement begins with: some thousand orders, nothing else.
//!
//! With tables that only grew, what is measured last would have the most to carry; with empty ones
//! PostgreSQL would plan for tables of one page, and what it remembers of their rows would be wrong.

use sqlx::{AssertSqlSafe, PgConnection};

/// The tables that a checkout writes, each after those that it refers to.
const TABLES: [&str; 11] = [
    "cart_records",
    "cart_items",
    "cart_vendor_discounts",
    "cart_put_keys",
    "checkout_groups",
    "vendor_orders",
    "order_line_items",
    "payment_intents",
    "idempotency_keys",
    "outbox_events",
    "outbox_dead_letters",
];

/// Keeps what was bought so far as the past.
pub async fn keep(connection: &mut PgConnection) -> anyhow::Result<()> {
    execute(connection, "create schema past").await?;
    for table in TABLES {
        execute(
            connection,
            format!("create table past.{table} as table {table}"),
        )
        .await?;
    }
    execute(
        connection,
        "create table past.stock as \
         select product_id, available_qty, reserved_qty from inventory_items",
    )
    .await
}

/// Goes back to the past, as a database that was running for long would find it: planned for what is
/// in it, clean, and with an empty log. More tables may be emptied.
pub async fn restore(connection: &mut PgConnection, emptied: &[&str]) -> anyhow::Result<()> {
    let tables = TABLES.join(", ");
    let all = [&TABLES[..], emptied].concat().join(", ");
    execute(connection, format!("truncate {all} cascade")).await?;
    // All references held when the past was kept and need no second check.
    execute(connection, "set session_replication_role = replica").await?;
    for table in TABLES {
        execute(
            connection,
            format!("insert into {table} select * from past.{table}"),
        )
        .await?;
    }
    execute(connection, "reset session_replication_role").await?;
    execute(
        connection,
        "update inventory_items i \
         set available_qty = p.available_qty, reserved_qty = p.reserved_qty \
         from past.stock p \
         where p.product_id = i.product_id \
            and (i.available_qty, i.reserved_qty) <> (p.available_qty, p.reserved_qty)",
    )
    .await?;
    execute(
        connection,
        format!("vacuum (analyze) {tables}, inventory_items"),
    )
    .await?;
    execute(connection, "checkpoint").await
}

async fn execute(
    connection: &mut PgConnection,
    statement: impl Into<String>,
) -> anyhow::Result<()> {
    // Every part of it stands in a benchmark.
    sqlx::query(AssertSqlSafe(statement.into()))
        .execute(connection)
        .await?;
    Ok(())
}
