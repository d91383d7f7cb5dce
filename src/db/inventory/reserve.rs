//! The conditional UPDATE that decides about stock (PF-079).

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use crate::domain::{
    ids::{ProductId, VendorStoreId},
    lock_order::StockKey,
    optimistic::ExpectedStock,
};

use super::super::{
    column,
    error::{Doing, Error},
};

/// The outcome of reserving by optimistic concurrency control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockCheck {
    /// All stock was as expected, and is reserved.
    AsExpected,
    /// Another transaction changed the stock first: not everything is reserved as expected, so the
    /// caller must roll back.
    Moved {
        /// The products whose stock is not as expected, except those whose row has vanished or appeared.
        products: Vec<ProductId>,
    },
}

/// Locks the rows in the order of their [`StockKey`], and reserves the expected quantities if the available
/// stock is as expected. A product without an inventory row has 0.
pub async fn reserve_expected(
    connection: &mut PgConnection,
    expected: &BTreeMap<StockKey, ExpectedStock>,
) -> Result<StockCheck, Error> {
    let rows: Vec<_> = expected.iter().collect();
    let done = sqlx::query!(
        r#"
        with expected as (
            select vendor_store_id, product_id, qty, available_min, available_max
            from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::integer[])
                as e (vendor_store_id, product_id, qty, available_min, available_max)
        ),
        -- An UPDATE locks rows in the sequence in which its plan meets them; this fixes the sequence.
        locked as (
            select
                i.product_id,
                e.qty,
                i.available_qty between e.available_min and e.available_max as is_as_expected
            from expected e
            join inventory_items i
                on i.product_id = e.product_id
                and i.vendor_store_id = e.vendor_store_id
            order by i.vendor_store_id, i.product_id
            for update of i
        ),
        reserved as (
            update inventory_items i
            set
                available_qty = i.available_qty - l.qty,
                reserved_qty = i.reserved_qty + l.qty,
                updated_at = now()
            from locked l
            where i.product_id = l.product_id
                and l.qty > 0
                and l.is_as_expected
                -- This condition decides about stock, whatever was expected.
                and i.available_qty >= l.qty
            returning i.product_id
        )
        select
            (select count(*) from reserved) as "reserved!",
            (select array_agg(product_id) from locked where not is_as_expected)
                as "moved: Vec<ProductId>"
        "#,
        &column(&rows, |(stock, _)| stock.vendor_store_id) as &[VendorStoreId],
        &column(&rows, |(stock, _)| stock.product_id) as &[ProductId],
        &column(&rows, |(_, expected)| expected.qty),
        &column(&rows, |(_, expected)| expected.available_min),
        &column(&rows, |(_, expected)| expected.available_max),
    )
    .fetch_one(connection)
    .await
    .doing("reserve stock")?;
    let due = rows.iter().filter(|(_, expected)| expected.qty > 0).count();
    Ok(
        if done.moved.is_none() && done.reserved.unsigned_abs() == due as u64 {
            StockCheck::AsExpected
        } else {
            let products = done.moved.unwrap_or_default();
            StockCheck::Moved { products }
        },
    )
}

/// Locks the rows in the order of their [`StockKey`] until the transaction ends, and returns the available
/// stock. Products without an inventory row are left out.
pub async fn lock(
    connection: &mut PgConnection,
    stock: &BTreeSet<StockKey>,
) -> Result<BTreeMap<StockKey, i32>, Error> {
    let stock: Vec<_> = stock.iter().collect();
    let rows = sqlx::query!(
        r#"
        select
            i.vendor_store_id as "vendor_store_id: VendorStoreId",
            i.product_id as "product_id: ProductId",
            i.available_qty
        from unnest($1::uuid[], $2::uuid[]) as p (vendor_store_id, product_id)
        join inventory_items i
            on i.product_id = p.product_id
            and i.vendor_store_id = p.vendor_store_id
        order by i.vendor_store_id, i.product_id
        for update of i
        "#,
        &column(&stock, |stock| stock.vendor_store_id) as &[VendorStoreId],
        &column(&stock, |stock| stock.product_id) as &[ProductId],
    )
    .fetch_all(connection)
    .await
    .doing("lock stock")?;
    let available = rows.into_iter().map(|row| {
        let stock = StockKey {
            vendor_store_id: row.vendor_store_id,
            product_id: row.product_id,
        };
        (stock, row.available_qty)
    });
    Ok(available.collect())
}

/// Reserves allocated quantities on rows that are locked already. Returns the number of rows changed,
/// which is all of them unless the caller has a bug.
pub async fn reserve_allocated(
    connection: &mut PgConnection,
    granted: &BTreeMap<StockKey, i32>,
) -> Result<u64, Error> {
    let rows: Vec<_> = granted.iter().collect();
    let done = sqlx::query!(
        r#"
        update inventory_items i
        set
            available_qty = i.available_qty - g.qty,
            reserved_qty = i.reserved_qty + g.qty,
            updated_at = now()
        from unnest($1::uuid[], $2::uuid[], $3::integer[]) as g (vendor_store_id, product_id, qty)
        where i.product_id = g.product_id
            and i.vendor_store_id = g.vendor_store_id
            and i.available_qty >= g.qty
        "#,
        &column(&rows, |(stock, _)| stock.vendor_store_id) as &[VendorStoreId],
        &column(&rows, |(stock, _)| stock.product_id) as &[ProductId],
        &column(&rows, |(_, qty)| **qty),
    )
    .execute(connection)
    .await
    .doing("reserve the last units")?;
    Ok(done.rows_affected())
}
