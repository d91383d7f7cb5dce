//! Bulk loading of an empty database by `COPY … FROM STDIN`.
//!
//! Owns the statements, the row of each table that can be loaded this way and its encoding. It must
//! not know where rows come from, and it begins and commits nothing: the caller's transaction makes
//! a load whole.
//!
//! The row structs live here and not with the generator in `seed`, because a row is a table's list
//! of columns, which is SQL's business, and because `db` may not look up at `seed`. `seed` fills
//! them in, which is an arrow downwards. The other cut, a table name and already encoded bytes
//! passed in, would have spread column names and COPY's escaping over the layers above.

mod purchases;
mod rows;
mod text;

use sqlx::{PgConnection, postgres::PgCopyIn};

pub use purchases::{
    BoughtCartRow, CartItemRow, GroupRow, IntentRow, OrderLineRow, OrderRow, PublishedEventRow,
};
pub use rows::{
    BuyerLimit, InventoryItemRow, LicenseRow, MembershipRow, ProductRow, StoreDiscountRow,
    StoreRow, SubscriptionRow, UserRow, VolumeTierRow,
};
pub use text::CopyText;

/// The length of text that is collected before it is sent: enough to make the number of messages irrelevant,
/// little enough to keep memory flat and progress lively.
const CHUNK_BYTES: usize = 256 * 1024;

/// A row of one table, in the shape that `COPY` reads.
pub trait CopyRow {
    /// The table.
    const TABLE: &'static str;
    /// The columns that [`CopyRow::encode`] writes, in its order. Others get their defaults.
    const COLUMNS: &'static str;

    /// Writes one field per column; the caller ends the line.
    fn encode(&self, line: &mut CopyText);
}

/// Loads `rows` into their table and returns how many the database stored. `sent` hears after each
/// full chunk how many rows have been sent so far.
///
/// Rows are taken one by one and forgotten once sent, so a load of any size needs one chunk of
/// memory. Constraints hold as for any insert: a violation fails the whole statement.
///
/// # Errors
/// The database's refusal or the loss of the connection. The transaction is then of no further use.
pub async fn copy_rows<R: CopyRow>(
    conn: &mut PgConnection,
    rows: impl Iterator<Item = R>,
    mut sent: impl FnMut(u64),
) -> sqlx::Result<u64> {
    let statement = format!("copy {} ({}) from stdin", R::TABLE, R::COLUMNS);
    let mut copy = conn.copy_in_raw(&statement).await?;
    let mut text = CopyText::with_capacity(CHUNK_BYTES);
    let mut count = 0;
    for row in rows {
        row.encode(&mut text);
        text.end_line();
        count += 1;
        if text.len() >= CHUNK_BYTES {
            send(&mut copy, &mut text).await?;
            sent(count);
        }
    }
    send(&mut copy, &mut text).await?;
    copy.finish().await
}

/// The database holds a store: it was seeded or used before.
///
/// # Errors
/// The machine failed.
pub async fn has_stores(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from stores)")
        .fetch_one(conn)
        .await
}

/// Keeps everyone else from writing stores until the transaction ends, so that what
/// [`has_stores`] says stays true and two loads at once cannot mix. Readers go on.
///
/// # Errors
/// The machine failed.
pub async fn lock_stores(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("lock table stores in share row exclusive mode")
        .execute(conn)
        .await?;
    Ok(())
}

/// Gathers statistics on all tables that can be loaded, so that the first queries after a load are
/// planned for what is there and not for an empty table.
///
/// # Errors
/// The machine failed.
pub async fn analyze(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "analyze users, stores, store_memberships, licenses, subscriptions, products,
             product_volume_discounts, store_discounts, inventory_items, cart_records, cart_items,
             checkout_groups, vendor_orders, order_line_items, payment_intents, outbox_events",
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn send(copy: &mut PgCopyIn<&mut PgConnection>, text: &mut CopyText) -> sqlx::Result<()> {
    copy.send(text.as_bytes()).await?;
    text.clear();
    Ok(())
}
