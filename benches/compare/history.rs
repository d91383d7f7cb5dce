//! A past that every measurement begins with: some thousand orders, all stock full, nothing else.
//!
//! With tables that only grew, what is measured last would have the most to carry; with empty ones
//! PostgreSQL would plan the textbook's statements for tables of one page.

use secrecy::SecretString;
use splitcart::{db, domain::ids::VendorStoreId, embedded::EmbeddedServices, seed};
use sqlx::{AssertSqlSafe, PgConnection};

/// What a checkout writes, each table after those that it refers to.
const TABLES: [&str; 10] = [
    "cart_records",
    "cart_items",
    "cart_vendor_discounts",
    "checkout_groups",
    "vendor_orders",
    "order_line_items",
    "payment_intents",
    "idempotency_keys",
    "outbox_events",
    "outbox_dead_letters",
];

/// As much as the load test fills up to, so that nothing has to change later.
const PLENTY: i32 = 1_000_000_000;

/// The seed's number of the vendor that load tests pass over, because its subscription ends within a
/// day: it is the probe's alone (see `overload`).
pub const PROBED_VENDOR: u32 = 1;

/// A connection for what is done between measurements.
pub async fn connect(services: &EmbeddedServices) -> anyhow::Result<PgConnection> {
    let url = SecretString::from(services.database_url());
    Ok(db::pool::connect(&url).await?)
}

/// Prepares a seeded catalogue: full stock, the probe's vendor, the textbook's table.
pub async fn prepare(connection: &mut PgConnection, seed: u64) -> anyhow::Result<()> {
    sqlx::query("update inventory_items set available_qty = $1")
        .bind(PLENTY)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "update subscriptions set current_period_end = now() + interval '20 hours' \
         where vendor_store_id = $1",
    )
    .bind(VendorStoreId::new(seed::vendor_store_id(
        seed,
        PROBED_VENDOR,
    )))
    .execute(&mut *connection)
    .await?;
    sqlx::query("create table textbook_carts (nr integer primary key, cart_id uuid not null)")
        .execute(connection)
        .await?;
    Ok(())
}

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
/// in it, clean, and with an empty log.
pub async fn restore(connection: &mut PgConnection) -> anyhow::Result<()> {
    let all = TABLES.join(", ");
    execute(
        connection,
        format!("truncate {all}, textbook_carts cascade"),
    )
    .await?;
    // All references held when the past was kept; nobody needs to look again.
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
        format!("vacuum (analyze) {all}, inventory_items"),
    )
    .await?;
    execute(connection, "checkpoint").await
}

/// An answer that ours has given, for the textbook to write.
pub async fn an_answer(connection: &mut PgConnection) -> anyhow::Result<String> {
    let answer = sqlx::query_scalar(
        "select convert_from(response_body, 'UTF8') from idempotency_keys order by key limit 1",
    );
    Ok(answer.fetch_one(connection).await?)
}

/// How many events nobody has published yet.
pub async fn unpublished(connection: &mut PgConnection) -> anyhow::Result<i64> {
    let count = sqlx::query_scalar("select count(*) from outbox_events where published_at is null");
    Ok(count.fetch_one(connection).await?)
}

async fn execute(
    connection: &mut PgConnection,
    statement: impl Into<String>,
) -> anyhow::Result<()> {
    // Every part of it stands in this file.
    sqlx::query(AssertSqlSafe(statement.into()))
        .execute(connection)
        .await?;
    Ok(())
}
