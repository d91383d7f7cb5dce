//! Finds rows that other transactions hold, without waiting for them.
//!
//! Stock and carts are only read: a row that a transaction in progress has locked or changed shows the
//! id of that transaction in its system column `xmax` (PostgreSQL manual, 5.6). That works only for rows
//! that are never locked by a foreign key, because `xmax` may then name a group of lockers. Stores,
//! users and products are locked on trial as a foreign key locks them, skipping held rows.

use std::collections::HashSet;

use sqlx::PgConnection;

use crate::domain::{
    checkout::AskedCart,
    ids::{CartId, ProductId, StoreId, UserId, VendorStoreId},
    lock_order::StockKey,
};

use super::{
    column,
    error::{Doing, Error},
};

/// The transaction that holds a row: the low 32 bits of its id, as rows show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder(u32);

impl Holder {
    /// Truncates a transaction's 64-bit id.
    pub fn of_transaction(id: i64) -> Self {
        Self(u32::try_from(id & i64::from(u32::MAX)).expect("32 bits"))
    }
}

/// Finds the stock rows among these that a transaction in progress has locked or changed, each with its
/// holder.
pub async fn find_held_stock(
    connection: &mut PgConnection,
    rows: &[StockKey],
) -> Result<Vec<(StockKey, Holder)>, Error> {
    let seen = sqlx::query!(
        r#"
        select
            i.vendor_store_id as "vendor_store_id: VendorStoreId",
            i.product_id as "product_id: ProductId",
            i.xmax::text::bigint as "holder!",
            pg_current_snapshot()::text as "snapshot!"
        from inventory_items i
        where i.product_id = any($1)
            and i.xmax::text <> '0'
        "#,
        &column(rows, |stock| stock.product_id) as &[ProductId],
    )
    .fetch_all(connection)
    .await
    .doing("look for held stock")?;
    let held = seen.into_iter().filter_map(|row| {
        let holder = in_progress(row.holder, &row.snapshot)?;
        let stock = StockKey {
            vendor_store_id: row.vendor_store_id,
            product_id: row.product_id,
        };
        Some((stock, holder))
    });
    Ok(held.collect())
}

/// Finds the carts among these that a transaction in progress has locked or changed, each with its holder.
pub async fn find_held_carts(
    connection: &mut PgConnection,
    carts: &[AskedCart],
) -> Result<Vec<(AskedCart, Holder)>, Error> {
    let seen = sqlx::query!(
        r#"
        select
            c.id as "id: CartId",
            c.buyer_store_id as "store_id: StoreId",
            c.xmax::text::bigint as "holder!",
            pg_current_snapshot()::text as "snapshot!"
        from unnest($1::uuid[], $2::uuid[]) as asked (id, store_id)
        join cart_records c on c.id = asked.id and c.buyer_store_id = asked.store_id
        where c.xmax::text <> '0'
        "#,
        &column(carts, |cart| cart.id) as &[CartId],
        &column(carts, |cart| cart.store_id) as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("look for held carts")?;
    let held = seen.into_iter().filter_map(|row| {
        let holder = in_progress(row.holder, &row.snapshot)?;
        let cart = AskedCart {
            id: row.id,
            store_id: row.store_id,
        };
        Some((cart, holder))
    });
    Ok(held.collect())
}

/// Finds the stores among these that a foreign key could not refer to now.
pub async fn find_held_stores(
    connection: &mut PgConnection,
    ids: &[StoreId],
) -> Result<Vec<StoreId>, Error> {
    let free = sqlx::query_scalar!(
        r#"select id as "id: StoreId" from stores where id = any($1) for key share skip locked"#,
        ids as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("look for held stores")?;
    Ok(without(ids, free))
}

/// Finds the products among these that a foreign key could not refer to now.
pub async fn find_held_products(
    connection: &mut PgConnection,
    ids: &[ProductId],
) -> Result<Vec<ProductId>, Error> {
    let free = sqlx::query_scalar!(
        r#"
        select id as "id: ProductId" from products where id = any($1) for key share skip locked
        "#,
        ids as &[ProductId],
    )
    .fetch_all(connection)
    .await
    .doing("look for held products")?;
    Ok(without(ids, free))
}

/// Finds the users among these that a foreign key could not refer to now.
pub async fn find_held_users(
    connection: &mut PgConnection,
    ids: &[UserId],
) -> Result<Vec<UserId>, Error> {
    let free = sqlx::query_scalar!(
        r#"select id as "id: UserId" from users where id = any($1) for key share skip locked"#,
        ids as &[UserId],
    )
    .fetch_all(connection)
    .await
    .doing("look for held users")?;
    Ok(without(ids, free))
}

fn without<Id: Copy + Eq + std::hash::Hash>(ids: &[Id], free: Vec<Id>) -> Vec<Id> {
    let free: HashSet<_> = free.into_iter().collect();
    let held = ids.iter().filter(|id| !free.contains(id));
    held.copied().collect()
}

/// Returns the transaction that a row names, if it was in progress when the snapshot was taken.
///
/// A snapshot is written `xmin:xmax:in progress, …` (PostgreSQL manual, 9.27.8), in 64-bit ids;
/// transactions with ids from its xmax on began later.
fn in_progress(holder: i64, snapshot: &str) -> Option<Holder> {
    let holder = Holder::of_transaction(holder);
    let mut parts = snapshot.split(':').skip(1);
    let begun_later = parts.next()?.parse().map(Holder::of_transaction).ok()?;
    let mut running = parts.next()?.split(',');
    let is_running = running.any(|id| id.parse().map(Holder::of_transaction) == Ok(holder));
    // 32-bit ids wrap around: an id up to 2^31 ahead of another one is the later one.
    let is_later = holder.0.wrapping_sub(begun_later.0) < 1 << 31;
    (is_running || is_later).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_in_progress_if_the_snapshot_lists_it_or_is_older() {
        let snapshot = "700:710:700,705";
        for (holder, expected) in [
            (699, false),
            (700, true),
            (704, false),
            (705, true),
            (709, false),
            (710, true),
            (9_999, true),
        ] {
            assert_eq!(
                in_progress(holder, snapshot).is_some(),
                expected,
                "{holder}"
            );
        }
        assert!(in_progress(705, "700:710:").is_none());
    }

    #[test]
    fn ids_wrap_around() {
        let epoch: i64 = 3 << 32;
        let snapshot = format!("{}:{}:{}", epoch - 20, epoch + 5, epoch - 10);
        let low = |id: i64| id & 0xffff_ffff;
        assert!(in_progress(low(epoch - 10), &snapshot).is_some());
        assert!(in_progress(low(epoch - 11), &snapshot).is_none());
        assert!(in_progress(low(epoch + 4), &snapshot).is_none());
        assert!(in_progress(low(epoch + 5), &snapshot).is_some());
    }
}
