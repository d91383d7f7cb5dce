//! Faults that the fault benchmark injects as another session of its database, and the proof of each.
//! The database is private.

use splitcart::db::error::{Doing, Error};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// Rows that can be held: a table and its key.
#[derive(Clone, Copy, Debug)]
pub enum Rows {
    Stock,
    Carts,
}

impl Rows {
    /// The table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Stock => "inventory_items",
            Self::Carts => "cart_records",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Stock => "product_id",
            Self::Carts => "id",
        }
    }
}

/// Does without looking at each of a million references from now on: all that is referred to is there.
pub async fn check_no_references(connection: &mut PgConnection) -> Result<(), Error> {
    execute(connection, "set session_replication_role = replica").await?;
    Ok(())
}

/// Fills the stock of every product, in a table as small as it can be.
pub async fn fill_stock(connection: &mut PgConnection, available_qty: i32) -> Result<(), Error> {
    let update = format!("update inventory_items set available_qty = {available_qty}");
    execute(connection, update).await?;
    execute(connection, "vacuum (full, analyze) inventory_items").await?;
    Ok(())
}

/// Writes everything to disk.
pub async fn checkpoint(connection: &mut PgConnection) -> Result<(), Error> {
    execute(connection, "checkpoint").await?;
    Ok(())
}

/// True while the session exists.
pub async fn is_alive(connection: &mut PgConnection) -> bool {
    execute(connection, "select 1").await.is_ok()
}

/// The number of checkouts in the database.
pub async fn groups(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar("select count(*) from checkout_groups")
        .fetch_one(connection)
        .await
        .doing("count the checkouts")
}

/// The process of one of the service's sessions that check out.
pub async fn a_checkout_session(connection: &mut PgConnection) -> Result<i32, Error> {
    sqlx::query_scalar(
        "select pid from pg_stat_activity where application_name like 'splitcart checkout%' limit 1",
    )
    .fetch_one(connection)
    .await
    .doing("find a session of the service")
}

/// Makes a user for an instance, unless there is one.
pub async fn make_user(connection: &mut PgConnection, user: &str) -> Result<(), Error> {
    let text = format!(
        "do $$ begin if not exists (select from pg_roles where rolname = '{user}') then \
         create role {user} superuser login; end if; end $$"
    );
    execute(connection, text).await?;
    Ok(())
}

/// True while a transaction of the user waits for its client and holds the product's stock row.
pub async fn user_holds_stock(
    connection: &mut PgConnection,
    user: &str,
    product: Uuid,
) -> Result<bool, Error> {
    sqlx::query_scalar(
        "select exists ( \
            select \
            from pg_stat_activity a, inventory_items i \
            where a.usename = $1 \
                and a.state = 'idle in transaction' \
                and i.product_id = $2 \
                and i.xmax::text = a.backend_xid::text)",
    )
    .bind(user)
    .bind(product)
    .fetch_one(connection)
    .await
    .doing("see who holds the stock")
}

/// Opens a transaction that only the caller's session ends. Returns its process and its id.
pub async fn open(connection: &mut PgConnection) -> Result<(i32, String), Error> {
    execute(connection, "begin").await?;
    sqlx::query_as("select pg_backend_pid(), pg_current_xact_id()::text")
        .fetch_one(connection)
        .await
        .doing("open a transaction")
}

/// Ends such a transaction, and what it has written stays.
pub async fn keep(connection: &mut PgConnection) -> Result<(), Error> {
    execute(connection, "commit").await?;
    Ok(())
}

/// Ends such a transaction as if it had not been.
pub async fn undo(connection: &mut PgConnection) -> Result<(), Error> {
    execute(connection, "rollback").await?;
    Ok(())
}

/// True while the transaction of that process is open.
pub async fn is_open(connection: &mut PgConnection, backend: i32) -> Result<bool, Error> {
    sqlx::query_scalar(
        "select exists (select from pg_stat_activity \
         where pid = $1 and state = 'idle in transaction')",
    )
    .bind(backend)
    .fetch_one(connection)
    .await
    .doing("see whether a transaction is open")
}

/// Locks rows.
pub async fn hold(connection: &mut PgConnection, rows: Rows, ids: &[Uuid]) -> Result<(), Error> {
    let (table, key) = (rows.table(), rows.key());
    let text = format!("select from {table} where {key} = any($1) order by {key} for update");
    sqlx::query(AssertSqlSafe(text))
        .bind(ids)
        .execute(connection)
        .await
        .doing("hold rows")?;
    Ok(())
}

/// The number of these rows that the transaction holds, as another session sees them.
pub async fn held_rows(
    connection: &mut PgConnection,
    rows: Rows,
    ids: &[Uuid],
    transaction: &str,
) -> Result<i64, Error> {
    let (table, key) = (rows.table(), rows.key());
    let text = format!("select count(*) from {table} where {key} = any($1) and xmax::text = $2");
    sqlx::query_scalar(AssertSqlSafe(text))
        .bind(ids)
        .bind(transaction)
        .fetch_one(connection)
        .await
        .doing("count the rows that are held")
}

/// Changes a store's name.
pub async fn rename_store(connection: &mut PgConnection, store: Uuid) -> Result<(), Error> {
    sqlx::query("update stores set name = name || ' & Sons' where id = $1")
        .bind(store)
        .execute(connection)
        .await
        .doing("rename a store")?;
    Ok(())
}

/// True while a transaction has changed the store and not committed. (One that refers to it holds it, too,
/// which is no obstacle to a share of it.)
pub async fn is_being_changed(connection: &mut PgConnection, store: Uuid) -> Result<bool, Error> {
    let free = sqlx::query("select from stores where id = $1 for share skip locked")
        .bind(store)
        .fetch_all(connection)
        .await
        .doing("see whether a store is being changed")?;
    Ok(free.is_empty())
}

/// Inserts rows of idempotency keys, all of one answer. Returns how many there were.
pub async fn insert_keys(
    connection: &mut PgConnection,
    users: &[Uuid],
    stores: &[Uuid],
    keys: &[String],
    path: &str,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "insert into idempotency_keys (user_id, store_id, method, path, key, request_fingerprint, \
            checkout_group_id, response_status, response_body, expires_at) \
         select n.user_id, n.store_id, 'POST', $4, n.key, '\\x00', g.id, 201, '\\x00', \
            now() + interval '1 day' \
         from unnest($1::uuid[], $2::uuid[], $3::text[]) as n (user_id, store_id, key), \
            (select id from checkout_groups limit 1) as g \
         on conflict do nothing",
    )
    .bind(users)
    .bind(stores)
    .bind(keys)
    .bind(path)
    .execute(connection)
    .await
    .doing("insert keys")?;
    Ok(done.rows_affected())
}

/// Adds a unit to the stock of each of these products. Returns how many there were.
pub async fn add_to_stock(connection: &mut PgConnection, products: &[Uuid]) -> Result<u64, Error> {
    let done = sqlx::query(
        "update inventory_items set available_qty = available_qty + 1, updated_at = now() \
         where product_id = any($1)",
    )
    .bind(products)
    .execute(connection)
    .await
    .doing("add to the stock")?;
    Ok(done.rows_affected())
}

/// Sets the stock of a product.
pub async fn set_stock(
    connection: &mut PgConnection,
    product: Uuid,
    available_qty: i32,
) -> Result<(), Error> {
    sqlx::query("update inventory_items set available_qty = $1 where product_id = $2")
        .bind(available_qty)
        .bind(product)
        .execute(connection)
        .await
        .doing("set a stock")?;
    Ok(())
}

/// From now on the session waits for no row longer than 50 ms.
pub async fn wait_shortly(connection: &mut PgConnection) -> Result<(), Error> {
    execute(connection, "set lock_timeout = 50").await?;
    Ok(())
}

/// Adds a constraint unknown to the server, which the reservation of one product violates.
pub async fn add_poison(connection: &mut PgConnection, product: Uuid) -> Result<(), Error> {
    let text = format!(
        "alter table inventory_items add constraint poison \
         check (product_id <> '{product}' or reserved_qty = 0)"
    );
    execute(connection, text).await?;
    Ok(())
}

/// Takes it away.
pub async fn take_poison_away(connection: &mut PgConnection) -> Result<(), Error> {
    execute(
        connection,
        "alter table inventory_items drop constraint poison",
    )
    .await?;
    Ok(())
}

/// Every part of the statement is in this file.
async fn execute(
    connection: &mut PgConnection,
    statement: impl Into<String>,
) -> Result<u64, Error> {
    let done = sqlx::query(AssertSqlSafe(statement.into()))
        .execute(connection)
        .await
        .doing("carry out a statement of the fault benchmark")?;
    Ok(done.rows_affected())
}
