//! Lists a store's orders, newest first, a page at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    caller::Perspective,
    ids::{BuyerStoreId, OrderId, VendorStoreId},
    order::{OrderStatus, PlacedOrder},
};

use super::{
    super::error::{Doing, Error},
    load::load,
};

/// A place in the list: just behind the order that was placed then and has this id. Orders that are
/// placed later stand before it, so a list that is read page by page shows none twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the order was placed.
    pub created_at: DateTime<Utc>,
    /// Its id: those of one checkout were placed at the same time.
    pub id: OrderId,
}

impl Position {
    /// Before all orders.
    pub const START: Self = Self {
        created_at: DateTime::<Utc>::MAX_UTC,
        id: OrderId::new(Uuid::max()),
    };

    /// Just behind this order.
    pub const fn behind(order: &PlacedOrder) -> Self {
        Self {
            created_at: order.created_at,
            id: order.order.id,
        }
    }
}

/// A part of the list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub orders: Vec<PlacedOrder>,
    /// Whether there is nothing behind them.
    pub is_last: bool,
}

/// Up to `limit` orders behind a position, whole. Three statements, however many orders.
///
/// # Errors
/// A statement failed.
pub async fn find_page(
    connection: &mut PgConnection,
    perspective: Perspective,
    status: Option<OrderStatus>,
    behind: Position,
    limit: usize,
) -> Result<Page, Error> {
    // One more says whether there is another page.
    let sought = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let ids = match perspective {
        Perspective::Buyer(store) => {
            sqlx::query_scalar!(
                r#"
                -- The index ends with the time, and a wider one would cost every checkout: so a walk
                -- along it finds the last time of the page, and only what is not older is sorted.
                with near as (
                    select created_at
                    from vendor_orders
                    where buyer_store_id = $1
                        and ($2::text is null or status = $2)
                        and created_at <= $3
                        and (created_at, id) < ($3, $4)
                    order by created_at desc
                    limit $5
                )
                select id as "id: OrderId"
                from vendor_orders
                where buyer_store_id = $1
                    and ($2::text is null or status = $2)
                    and created_at <= $3
                    and created_at >= (select min(created_at) from near)
                    and (created_at, id) < ($3, $4)
                order by created_at desc, id desc
                limit $5
                "#,
                store as BuyerStoreId,
                status as Option<OrderStatus>,
                behind.created_at,
                behind.id as OrderId,
                sought,
            )
            .fetch_all(&mut *connection)
            .await
        }
        Perspective::Vendor(store) => {
            sqlx::query_scalar!(
                r#"
                -- The index ends with the time, and a wider one would cost every checkout: so a walk
                -- along it finds the last time of the page, and only what is not older is sorted.
                with near as (
                    select created_at
                    from vendor_orders
                    where vendor_store_id = $1
                        and ($2::text is null or status = $2)
                        and created_at <= $3
                        and (created_at, id) < ($3, $4)
                    order by created_at desc
                    limit $5
                )
                select id as "id: OrderId"
                from vendor_orders
                where vendor_store_id = $1
                    and ($2::text is null or status = $2)
                    and created_at <= $3
                    and created_at >= (select min(created_at) from near)
                    and (created_at, id) < ($3, $4)
                order by created_at desc, id desc
                limit $5
                "#,
                store as VendorStoreId,
                status as Option<OrderStatus>,
                behind.created_at,
                behind.id as OrderId,
                sought,
            )
            .fetch_all(&mut *connection)
            .await
        }
    };
    let mut ids = ids.doing("list orders")?;
    let is_last = ids.len() <= limit;
    ids.truncate(limit);
    let orders = load(connection, &ids).await?;
    Ok(Page { orders, is_last })
}
