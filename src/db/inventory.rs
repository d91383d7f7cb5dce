//! The conditional UPDATE that decides about stock (PF-079).

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::domain::{
    foresight::Expected,
    ids::{ProductId, VendorStoreId},
    reservation::ByVendor,
};

use super::{
    column,
    error::{Doing, Error},
};

/// The outcome of reserving by optimistic concurrency control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foresight {
    /// All stock was as expected, and is reserved.
    CameTrue,
    /// Another transaction changed the stock first: not everything is reserved as expected, so the
    /// caller must roll back.
    StockMoved {
        /// The products whose stock is not as expected, except those whose row has vanished or appeared.
        products: Vec<ProductId>,
    },
}

/// Locks the rows in ascending vendor and product id, and reserves the expected quantities if the
/// available stock is as expected. A product without an inventory row has 0.
pub async fn reserve_foreseen(
    connection: &mut PgConnection,
    expected: &ByVendor<Expected>,
) -> Result<Foresight, Error> {
    let rows = rows_of(expected);
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
        &column(&rows, |(vendor, ..)| *vendor) as &[VendorStoreId],
        &column(&rows, |(_, product, _)| *product) as &[ProductId],
        &column(&rows, |(.., expected)| expected.qty),
        &column(&rows, |(.., expected)| expected.available_min),
        &column(&rows, |(.., expected)| expected.available_max),
    )
    .fetch_one(connection)
    .await
    .doing("reserve stock")?;
    let due = rows
        .iter()
        .filter(|(.., expected)| expected.qty > 0)
        .count();
    Ok(
        if done.moved.is_none() && done.reserved.unsigned_abs() == due as u64 {
            Foresight::CameTrue
        } else {
            let products = done.moved.unwrap_or_default();
            Foresight::StockMoved { products }
        },
    )
}

/// Locks the rows in ascending vendor and product id until the transaction ends, and returns the
/// available stock. Products without an inventory row are left out.
pub async fn lock(
    connection: &mut PgConnection,
    products: &BTreeSet<(VendorStoreId, ProductId)>,
) -> Result<ByVendor<i32>, Error> {
    let products: Vec<_> = products.iter().collect();
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
        &column(&products, |(vendor, _)| *vendor) as &[VendorStoreId],
        &column(&products, |(_, product)| *product) as &[ProductId],
    )
    .fetch_all(connection)
    .await
    .doing("lock stock")?;
    let mut available: ByVendor<i32> = ByVendor::new();
    for row in rows {
        let products = available.entry(row.vendor_store_id).or_default();
        products.insert(row.product_id, row.available_qty);
    }
    Ok(available)
}

/// Reserves allocated quantities on rows that are locked already. Returns the number of rows changed,
/// which is all of them unless the caller has a bug.
pub async fn reserve_allocated(
    connection: &mut PgConnection,
    granted: &ByVendor<i32>,
) -> Result<u64, Error> {
    let rows = rows_of(granted);
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
        &column(&rows, |(vendor, ..)| *vendor) as &[VendorStoreId],
        &column(&rows, |(_, product, _)| *product) as &[ProductId],
        &column(&rows, |(.., qty)| *qty),
    )
    .execute(connection)
    .await
    .doing("reserve the last units")?;
    Ok(done.rows_affected())
}

/// Flattens quantities into rows, in the sequence in which rows are locked.
fn rows_of<T: Copy>(figures: &ByVendor<T>) -> Vec<(VendorStoreId, ProductId, T)> {
    let rows = figures.iter().flat_map(|(vendor, products)| {
        let of_vendor = products.iter();
        of_vendor.map(|(product, figure)| (*vendor, *product, *figure))
    });
    rows.collect()
}
