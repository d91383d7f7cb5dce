//! Finds, locks and writes the stock that a vendor counts or a file brings.
//!
//! Only locked rows are written, so the order of a write is of no consequence; rows are locked in the order
//! of their [`StockKey`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    compression::compress,
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
        stock_count::{FoundProduct, ProductName, StockItem, StockRow},
    },
};

use super::{
    super::{
        column,
        error::{Doing, Error},
    },
    answers::NewAnswer,
};

/// A product of the vendor, and whether it has a row of stock.
#[derive(Clone, Debug)]
pub struct FoundStock {
    pub product: FoundProduct,
    pub has_row: bool,
}

/// Finds the product that each item names, in their order: `None` for what is not the vendor's.
pub async fn find_products(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
    items: &[StockItem],
) -> Result<Vec<Option<FoundStock>>, Error> {
    let id = |item: &StockItem| match item.product {
        ProductName::Id(id) => Some(id),
        ProductName::Sku(_) => None,
    };
    let sku = |item: &StockItem| match &item.product {
        ProductName::Id(_) => None,
        ProductName::Sku(sku) => Some(sku.clone()),
    };
    let rows = sqlx::query!(
        r#"
        select
            n.nr as "nr!",
            coalesce(by_id.id, by_sku.id) as "product_id!: ProductId",
            coalesce(by_id.sku, by_sku.sku) as "sku!",
            exists (
                select from inventory_items i where i.product_id = coalesce(by_id.id, by_sku.id)
            ) as "has_row!"
        from unnest($2::uuid[], $3::text[]) with ordinality as n (product_id, sku, nr)
        left join products by_id
            on by_id.id = n.product_id
            and by_id.vendor_store_id = $1
        left join products by_sku
            on by_sku.vendor_store_id = $1
            and by_sku.sku = n.sku
        where coalesce(by_id.id, by_sku.id) is not null
        "#,
        vendor as VendorStoreId,
        &column(items, id) as &[Option<ProductId>],
        &column(items, sku) as &[Option<String>],
    )
    .fetch_all(connection)
    .await
    .doing("find the products of a stock count")?;
    let mut found = vec![None; items.len()];
    for row in rows {
        let index = usize::try_from(row.nr - 1).expect("ordinality counts from 1");
        found[index] = Some(FoundStock {
            product: FoundProduct {
                id: row.product_id,
                sku: row.sku,
            },
            has_row: row.has_row,
        });
    }
    Ok(found)
}

/// The numbers of rows that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub updated: u64,
    pub inserted: u64,
    /// A time at which the rows were locked.
    pub written_at: DateTime<Utc>,
}

/// The statement that locks rows in the order of their keys, with a variable ending.
macro_rules! lock {
    ($ending:tt, $connection:expr, $keys:expr) => {{
        let rows = sqlx::query!(
            r#"
            select
                i.product_id as "product_id: ProductId",
                i.available_qty,
                i.reserved_qty,
                i.low_stock_threshold,
                i.version
            from unnest($1::uuid[], $2::uuid[]) as k (vendor_store_id, product_id)
            join inventory_items i
                on i.product_id = k.product_id
                and i.vendor_store_id = k.vendor_store_id
            order by i.vendor_store_id, i.product_id
            "# + $ending,
            &column($keys, |key: &StockKey| key.vendor_store_id) as &[VendorStoreId],
            &column($keys, |key: &StockKey| key.product_id) as &[ProductId],
        )
        .fetch_all($connection)
        .await
        .doing("lock stock that is counted")?;
        let rows = rows.into_iter().map(|row| {
            let stock = StockRow {
                available_qty: row.available_qty,
                reserved_qty: row.reserved_qty,
                low_stock_threshold: row.low_stock_threshold,
                version: row.version,
            };
            (row.product_id, stock)
        });
        Ok(rows.collect())
    }};
}

/// Locks rows until the transaction ends, and waits for those that others hold.
pub async fn lock_rows(
    connection: &mut PgConnection,
    keys: &[StockKey],
) -> Result<BTreeMap<ProductId, StockRow>, Error> {
    lock!("for update of i", connection, keys)
}

/// Locks rows until the transaction ends. Those that others hold are left out.
pub async fn lock_free_rows(
    connection: &mut PgConnection,
    keys: &[StockKey],
) -> Result<BTreeMap<ProductId, StockRow>, Error> {
    lock!("for update of i skip locked", connection, keys)
}

/// Writes rows that are locked and inserts those that are missing, and the answer about them. One
/// statement, so that a key costs no round trip while the rows are locked.
///
/// A row to be inserted that has appeared meanwhile is left as it is, and counts as not written.
///
/// # Errors
/// With the constraint [`COUNT_KEY_TAKEN`](super::COUNT_KEY_TAKEN) if the key is in use.
pub async fn write_counts(
    connection: &mut PgConnection,
    locked: &[(StockKey, StockRow)],
    missing: &[(StockKey, StockRow)],
    answer: Option<&NewAnswer>,
    now: DateTime<Utc>,
) -> Result<Written, Error> {
    let answers: Vec<_> = answer.into_iter().collect();
    let done = sqlx::query!(
        r#"
        with answer as (
            insert into inventory_keys (
                created_at, scope, request_fingerprint, response_body, expires_at)
            select $1::timestamptz, n.*
            from unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::timestamptz[]) as n
        ),
        written as (
            update inventory_items i
            set
                available_qty = c.available_qty,
                low_stock_threshold = c.low_stock_threshold,
                version = c.version,
                updated_at = $1::timestamptz
            from unnest($6::uuid[], $7::integer[], $8::integer[], $9::bigint[])
                as c (product_id, available_qty, low_stock_threshold, version)
            where i.product_id = c.product_id
            returning i.product_id
        ),
        inserted as (
            insert into inventory_items (
                created_at, updated_at, product_id, vendor_store_id, available_qty,
                low_stock_threshold, version)
            select $1::timestamptz, $1::timestamptz, c.*
            from unnest($10::uuid[], $11::uuid[], $12::integer[], $13::integer[], $14::bigint[]) as c
            on conflict (product_id) do nothing
            returning product_id
        )
        select
            (select count(*) from written) as "written!",
            (select count(*) from inserted) as "inserted!",
            -- While the rows are locked. Not now(): that is when the transaction began.
            clock_timestamp() as "written_at!"
        "#,
        now,
        &column(&answers, |answer| answer.scope.half()) as &[Uuid],
        &column(&answers, |answer| answer.fingerprint.as_bytes().to_vec()),
        &column(&answers, |answer| compress(&answer.response.body)),
        &column(&answers, |answer| answer.expires_at),
        // The rows that are locked.
        &column(locked, |(key, _)| key.product_id) as &[ProductId],
        &column(locked, |(_, row)| row.available_qty),
        &column(locked, |(_, row)| row.low_stock_threshold),
        &column(locked, |(_, row)| row.version),
        // The rows that are missing.
        &column(missing, |(key, _)| key.product_id) as &[ProductId],
        &column(missing, |(key, _)| key.vendor_store_id) as &[VendorStoreId],
        &column(missing, |(_, row)| row.available_qty),
        &column(missing, |(_, row)| row.low_stock_threshold),
        &column(missing, |(_, row)| row.version),
    )
    .fetch_one(connection)
    .await
    .doing("write counted stock")?;
    Ok(Written {
        updated: done.written.unsigned_abs(),
        inserted: done.inserted.unsigned_abs(),
        written_at: done.written_at,
    })
}
