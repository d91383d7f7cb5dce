//! The conditional UPDATE that decides about stock (PF-079).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::{ProductId, VendorStoreId},
    lock_order::StockKey,
    low_stock::StockTaken,
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
    AsExpected {
        /// The stock that has run low by that.
        low: Vec<StockTaken>,
    },
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
            returning
                i.vendor_store_id,
                i.product_id,
                l.qty,
                i.available_qty,
                i.low_stock_threshold,
                i.available_qty <= i.low_stock_threshold as is_low
        )
        select
            r.reserved as "reserved!",
            (select array_agg(product_id) from locked where not is_as_expected)
                as "moved: Vec<ProductId>",
            -- While the rows are locked. Not now(): that is when the transaction began.
            clock_timestamp() as "reserved_at!",
            r.low_vendors as "low_vendors: Vec<VendorStoreId>",
            r.low_products as "low_products: Vec<ProductId>",
            r.low_taken,
            r.low_available,
            r.low_thresholds
        from (
            select
                count(*) as reserved,
                array_agg(vendor_store_id) filter (where is_low) as low_vendors,
                array_agg(product_id) filter (where is_low) as low_products,
                array_agg(qty) filter (where is_low) as low_taken,
                array_agg(available_qty) filter (where is_low) as low_available,
                array_agg(low_stock_threshold) filter (where is_low) as low_thresholds
            from reserved
        ) r
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
    if done.moved.is_some() || done.reserved.unsigned_abs() != due as u64 {
        let products = done.moved.unwrap_or_default();
        return Ok(StockCheck::Moved { products });
    }
    let at_or_below_thresholds = LowRows {
        vendors: done.low_vendors.unwrap_or_default(),
        products: done.low_products.unwrap_or_default(),
        taken: done.low_taken.unwrap_or_default(),
        available: done.low_available.unwrap_or_default(),
        thresholds: done.low_thresholds.unwrap_or_default(),
        reserved_at: done.reserved_at,
    };
    let low = at_or_below_thresholds.stock();
    Ok(StockCheck::AsExpected {
        low: low.filter(StockTaken::has_run_low).collect(),
    })
}

/// The columns of the reserved rows of which no more than the threshold is available.
struct LowRows {
    vendors: Vec<VendorStoreId>,
    products: Vec<ProductId>,
    taken: Vec<i32>,
    available: Vec<i32>,
    thresholds: Vec<i32>,
    reserved_at: DateTime<Utc>,
}

impl LowRows {
    fn stock(&self) -> impl Iterator<Item = StockTaken> {
        (0..self.products.len()).map(|row| StockTaken {
            stock: StockKey {
                vendor_store_id: self.vendors[row],
                product_id: self.products[row],
            },
            available_before: self.available[row] + self.taken[row],
            available_qty: self.available[row],
            low_stock_threshold: self.thresholds[row],
            taken_at: self.reserved_at,
        })
    }
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

/// Reserves allocated quantities on rows that are locked already. Returns the changed rows, which are all of
/// them unless the caller has a bug.
pub async fn reserve_allocated(
    connection: &mut PgConnection,
    granted: &BTreeMap<StockKey, i32>,
) -> Result<Vec<StockTaken>, Error> {
    let rows: Vec<_> = granted.iter().collect();
    let changed = sqlx::query!(
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
        returning
            i.vendor_store_id as "vendor_store_id: VendorStoreId",
            i.product_id as "product_id: ProductId",
            i.available_qty + g.qty as "available_before!",
            i.available_qty,
            i.low_stock_threshold,
            clock_timestamp() as "reserved_at!"
        "#,
        &column(&rows, |(stock, _)| stock.vendor_store_id) as &[VendorStoreId],
        &column(&rows, |(stock, _)| stock.product_id) as &[ProductId],
        &column(&rows, |(_, qty)| **qty),
    )
    .fetch_all(connection)
    .await
    .doing("reserve the last units")?;
    let changed = changed.into_iter().map(|row| StockTaken {
        stock: StockKey {
            vendor_store_id: row.vendor_store_id,
            product_id: row.product_id,
        },
        available_before: row.available_before,
        available_qty: row.available_qty,
        low_stock_threshold: row.low_stock_threshold,
        taken_at: row.reserved_at,
    });
    Ok(changed.collect())
}
