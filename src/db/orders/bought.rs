//! Counts what buyers have bought of products with purchase limits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::{BuyerStoreId, ProductId, VendorStoreId},
    purchase_limit::{Bought, BuyerProduct, Windows},
};

use super::super::{
    column,
    error::{Doing, Error},
};

/// Counts the units that each buyer has reserved or bought of a product, in orders after the given time. A
/// batch without limited products costs no statement.
///
/// Once the products' rows of stock are locked, no count rises: every checkout locks these rows before it
/// commits, and a new statement sees what earlier holders of the locks have committed.
pub async fn count_bought(
    connection: &mut PgConnection,
    windows: &Windows,
) -> Result<Bought, Error> {
    if windows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let pairs: Vec<_> = windows.iter().collect();
    let rows = sqlx::query!(
        r#"
        with pairs as materialized (
            select
                buyer_store_id, vendor_store_id, product_id, nr,
                coalesce(since, timestamptz '-infinity') as since
            from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])
                with ordinality as p (buyer_store_id, vendor_store_id, product_id, since, nr)
        ),
        buyers as materialized (
            select buyer_store_id, min(since) as since
            from pairs
            group by buyer_store_id
        ),
        -- By buyer and never by vendor: a vendor whose products are limited has many more orders. A buyer's
        -- orders are read once, however many limited products it buys.
        orders as materialized (
            select o.id, o.buyer_store_id, o.vendor_store_id, o.created_at
            from buyers b
            join vendor_orders o
                on o.buyer_store_id = b.buyer_store_id
                and o.created_at > b.since
        ),
        lines as materialized (
            select o.buyer_store_id, o.vendor_store_id, o.created_at, l.product_id, l.qty
            from orders o
            join order_line_items l on l.order_id = o.id
            where o.vendor_store_id = any($2)
                and l.product_id = any($3)
                and l.status <> 'rejected'
        )
        select p.nr as "nr!", sum(l.qty) as "bought_qty!"
        from lines l
        join pairs p
            on p.buyer_store_id = l.buyer_store_id
            and p.vendor_store_id = l.vendor_store_id
            and p.product_id = l.product_id
            and p.since < l.created_at
        group by p.nr
        "#,
        &column(&pairs, |(pair, _)| pair.buyer_store_id) as &[BuyerStoreId],
        &column(&pairs, |(pair, _)| pair.stock.vendor_store_id) as &[VendorStoreId],
        &column(&pairs, |(pair, _)| pair.stock.product_id) as &[ProductId],
        &column(&pairs, |(_, since)| **since) as &[Option<DateTime<Utc>>],
    )
    .fetch_all(connection)
    .await
    .doing("count what buyers have bought of products with purchase limits")?;
    let bought = rows.into_iter().map(|row| {
        let index = usize::try_from(row.nr - 1).expect("ordinality counts from 1");
        let (pair, _) = pairs[index];
        (*pair, row.bought_qty)
    });
    Ok(bought.collect::<BTreeMap<BuyerProduct, i64>>())
}
