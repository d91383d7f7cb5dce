//! Frees reserved units: what moves of orders do to stock.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
        order_moves::Freed,
    },
};

/// The outcome of freeing reserved units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freeing {
    /// The stock that has fewer units reserved than were to be freed, or no row at all. It was left as it is.
    pub short: BTreeSet<StockKey>,
    /// The stock whose rows others hold.
    pub held: BTreeSet<StockKey>,
}

/// Locks the rows in the order of their [`StockKey`], without waiting for any, and moves units out of the
/// reserved ones: back to the available ones, or to those that are gone. Rows that others hold are left out.
pub async fn free(
    connection: &mut PgConnection,
    freed: &BTreeMap<StockKey, Freed>,
) -> Result<Freeing, Error> {
    let rows: Vec<_> = freed.iter().collect();
    let done = sqlx::query!(
        r#"
        with asked as (
            select vendor_store_id, product_id, released, fulfilled
            from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[])
                as a (vendor_store_id, product_id, released, fulfilled)
        ),
        locked as (
            select i.vendor_store_id, i.product_id, a.released, a.fulfilled
            from asked a
            join inventory_items i
                on i.product_id = a.product_id
                and i.vendor_store_id = a.vendor_store_id
            order by i.vendor_store_id, i.product_id
            for update of i skip locked
        ),
        freed as (
            update inventory_items i
            set
                available_qty = i.available_qty + l.released,
                reserved_qty = i.reserved_qty - l.released - l.fulfilled,
                fulfilled_qty = i.fulfilled_qty + l.fulfilled,
                updated_at = now()
            from locked l
            where i.product_id = l.product_id
                -- Nothing is freed that is not held.
                and i.reserved_qty >= l.released + l.fulfilled
            returning i.product_id
        )
        select
            a.vendor_store_id as "vendor_store_id!: VendorStoreId",
            a.product_id as "product_id!: ProductId",
            l.product_id is not null as "is_locked!",
            f.product_id is not null as "is_freed!",
            exists (
                select
                from inventory_items i
                where i.product_id = a.product_id
                    and i.vendor_store_id = a.vendor_store_id
            ) as "is_there!"
        from asked a
        left join locked l on l.product_id = a.product_id
        left join freed f on f.product_id = a.product_id
        "#,
        &column(&rows, |(stock, _)| stock.vendor_store_id) as &[VendorStoreId],
        &column(&rows, |(stock, _)| stock.product_id) as &[ProductId],
        &column(&rows, |(_, freed)| freed.released),
        &column(&rows, |(_, freed)| freed.fulfilled),
    )
    .fetch_all(connection)
    .await
    .doing("free reserved stock")?;
    let mut freeing = Freeing::default();
    for row in done {
        let stock = StockKey {
            vendor_store_id: row.vendor_store_id,
            product_id: row.product_id,
        };
        if row.is_freed {
            continue;
        }
        if row.is_locked || !row.is_there {
            freeing.short.insert(stock);
        } else {
            freeing.held.insert(stock);
        }
    }
    Ok(freeing)
}
