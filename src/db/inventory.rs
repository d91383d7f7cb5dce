//! Stock: the conditional UPDATE that decides it (PF-079).

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::domain::ids::{ProductId, VendorStoreId};

use super::error::{Doing, Error};

/// Figures by vendor and product: both ascend, which is the order in which rows are locked.
pub type ByVendor<T> = BTreeMap<VendorStoreId, BTreeMap<ProductId, T>>;

/// Locks the rows in ascending vendor and product id and reserves every product whose available
/// quantity covers its whole demand. Returns what is available of the others, which stay locked and
/// unchanged; a product without an inventory row has 0. Vendors with nothing short are left out.
///
/// `demands` are sums over all lines, hence wider than a quantity.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn reserve_covered(
    connection: &mut PgConnection,
    demands: &ByVendor<i64>,
) -> Result<ByVendor<i32>, Error> {
    let columns = Columns::of(demands);
    let rows = sqlx::query!(
        r#"
        with demand as (
            select vendor_store_id, product_id, qty
            from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as d (vendor_store_id, product_id, qty)
        ),
        -- An UPDATE locks rows in whatever order its plan meets them; this fixes the order.
        locked as (
            select i.vendor_store_id, i.product_id, i.available_qty, d.qty
            from demand d
            join inventory_items i
                on i.product_id = d.product_id
                and i.vendor_store_id = d.vendor_store_id
            order by i.vendor_store_id, i.product_id
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
            returning i.vendor_store_id, i.product_id
        )
        -- Sets, not joins: a join of these would be planned for a number of rows that nobody knows.
        select
            short.vendor_store_id as "vendor_store_id!: VendorStoreId",
            short.product_id as "product_id!: ProductId",
            max(short.available_qty) as "available_qty!"
        from (
            select vendor_store_id, product_id, 0 as available_qty, 1 as covered from demand
            union all
            select vendor_store_id, product_id, available_qty, 0 from locked
            union all
            select vendor_store_id, product_id, 0, -1 from reserved
        ) as short
        group by short.vendor_store_id, short.product_id
        having sum(short.covered) > 0
        "#,
        &columns.vendors as &[VendorStoreId],
        &columns.products as &[ProductId],
        &columns.figures,
    )
    .fetch_all(connection)
    .await
    .doing("reserve stock")?;
    let mut short = ByVendor::new();
    for row in rows {
        short
            .entry(row.vendor_store_id)
            .or_default()
            .insert(row.product_id, row.available_qty);
    }
    Ok(short)
}

/// Reserves what was allocated of products that were short; their rows are locked already.
/// Returns how many rows it changed: all of them, or the caller has a bug.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn reserve_allocated(
    connection: &mut PgConnection,
    granted: &ByVendor<i32>,
) -> Result<u64, Error> {
    let columns = Columns::of(granted);
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
        &columns.vendors as &[VendorStoreId],
        &columns.products as &[ProductId],
        &columns.figures,
    )
    .execute(connection)
    .await
    .doing("reserve the last units")?;
    Ok(done.rows_affected())
}

/// Figures turned on their side, for `unnest`.
struct Columns<T> {
    vendors: Vec<VendorStoreId>,
    products: Vec<ProductId>,
    figures: Vec<T>,
}

impl<T: Copy> Columns<T> {
    fn of(figures: &ByVendor<T>) -> Self {
        let mut columns = Self {
            vendors: Vec::new(),
            products: Vec::new(),
            figures: Vec::new(),
        };
        for (vendor, products) in figures {
            for (product, figure) in products {
                columns.vendors.push(*vendor);
                columns.products.push(*product);
                columns.figures.push(*figure);
            }
        }
        columns
    }
}
