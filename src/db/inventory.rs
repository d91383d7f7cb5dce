//! Stock: the conditional UPDATE that decides it (PF-079).

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::domain::ids::{ProductId, VendorStoreId};

use super::error::{Doing, Error};

/// Locks a vendor's rows in ascending product id and reserves every product whose available
/// quantity covers its whole demand. Returns what is available of the others, which stay locked and
/// unchanged; a product without an inventory row has 0.
///
/// `demands` are sums over all lines, hence wider than a quantity.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn reserve_covered(
    connection: &mut PgConnection,
    vendor_store_id: VendorStoreId,
    demands: &BTreeMap<ProductId, i64>,
) -> Result<BTreeMap<ProductId, i32>, Error> {
    let product_ids: Vec<_> = demands.keys().copied().collect();
    let sums: Vec<_> = demands.values().copied().collect();
    let rows = sqlx::query!(
        r#"
        with demand as (
            select product_id, qty
            from unnest($2::uuid[], $3::bigint[]) as d (product_id, qty)
        ),
        -- An UPDATE locks rows in whatever order its plan meets them; this fixes the order.
        locked as (
            select i.product_id, i.available_qty, d.qty
            from demand d
            join inventory_items i on i.product_id = d.product_id
            where i.vendor_store_id = $1
            order by i.product_id
            for update of i
        ),
        reserved as (
            update inventory_items i
            set
                available_qty = (i.available_qty - l.qty)::integer,
                reserved_qty = (i.reserved_qty + l.qty)::integer,
                updated_at = now()
            from locked l
            where i.product_id = l.product_id
                and i.available_qty >= l.qty
            returning i.product_id
        )
        select
            d.product_id as "product_id!: ProductId",
            coalesce(l.available_qty, 0) as "available_qty!"
        from demand d
        left join locked l on l.product_id = d.product_id
        where not exists (select from reserved r where r.product_id = d.product_id)
        "#,
        vendor_store_id as VendorStoreId,
        &product_ids as &[ProductId],
        &sums,
    )
    .fetch_all(connection)
    .await
    .doing("reserve stock")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.product_id, row.available_qty))
        .collect())
}

/// Reserves what was allocated of products that were short; their rows are locked already.
/// Returns how many rows it changed: all of them, or the caller has a bug.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn reserve_allocated(
    connection: &mut PgConnection,
    vendor_store_id: VendorStoreId,
    granted: &BTreeMap<ProductId, i32>,
) -> Result<u64, Error> {
    let product_ids: Vec<_> = granted.keys().copied().collect();
    let quantities: Vec<_> = granted.values().copied().collect();
    let done = sqlx::query!(
        r#"
        update inventory_items i
        set
            available_qty = i.available_qty - g.qty,
            reserved_qty = i.reserved_qty + g.qty,
            updated_at = now()
        from unnest($2::uuid[], $3::integer[]) as g (product_id, qty)
        where i.product_id = g.product_id
            and i.vendor_store_id = $1
            and i.available_qty >= g.qty
        "#,
        vendor_store_id as VendorStoreId,
        &product_ids as &[ProductId],
        &quantities,
    )
    .execute(connection)
    .await
    .doing("reserve the last units")?;
    Ok(done.rows_affected())
}
