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

/// A position in the list: directly after the order with this time and id. Later orders precede it, so
/// reading page by page shows no order twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The time at which the order was placed.
    pub created_at: DateTime<Utc>,
    /// The order's id, since the orders of one checkout have the same time.
    pub id: OrderId,
}

impl Position {
    /// The position before all orders.
    pub const START: Self = Self {
        created_at: DateTime::<Utc>::MAX_UTC,
        id: OrderId::new(Uuid::max()),
    };

    /// The position directly after an order.
    pub const fn behind(order: &PlacedOrder) -> Self {
        Self {
            created_at: order.created_at,
            id: order.order.id,
        }
    }
}

/// The beginning of a page, and the effort spent on filling it.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The page begins after this position.
    pub behind: Position,
    /// The most orders of the page.
    pub limit: usize,
    /// The most orders that are scanned, of any status, so that a rare status does not scan millions.
    pub rows_max: usize,
}

/// A page of the list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The orders, newest first.
    pub orders: Vec<PlacedOrder>,
    /// The beginning of the next page, if there may be one.
    pub next: Option<Position>,
}

/// The id of an order, if any was found, and the time at which the scan stopped, if it reached its limit.
type Row = (Option<OrderId>, Option<DateTime<Utc>>);

/// The statement for each of the two columns that name an order's store. A condition on either column in
/// one statement would not use the index.
macro_rules! walk_along {
    ($column:tt, $store:expr, $status:expr, $behind:expr, $sought:expr, $rows_max:expr) => {
        sqlx::query!(
            r#"
            -- The index ends with the time; a wider one would cost every checkout. So a scan along
            -- it finds the last time of the page, and only orders that are not older are sorted. The scan
            -- ends after $6 orders, whatever their status.
            with near as (
                select created_at
                from (
                    select created_at, status
                    from vendor_orders
                    where "#
            + $column
            + r#" = $1
                        and created_at <= $3
                        and (created_at, id) < ($3, $4)
                    order by created_at desc
                    limit $6
                ) walked
                where $2::text is null or status = $2
                order by created_at desc
                limit $5
            ),
            -- The time at which the scan would continue, if the page is not full by then.
            beyond as materialized (
                select created_at
                from vendor_orders
                where "#
            + $column
            + r#" = $1
                    and created_at <= $3
                    and (created_at, id) < ($3, $4)
                    and (select count(*) from near) < $5
                order by created_at desc
                offset $6
                limit 1
            )
            select found.id as "id?: OrderId", walk.cut_at as "cut_at?"
            from (select (select created_at from beyond) as cut_at) walk
            left join lateral (
                select id, created_at
                from vendor_orders
                where "#
            + $column
            + r#" = $1
                    and ($2::text is null or status = $2)
                    and created_at <= $3
                    and created_at >= (select min(created_at) from near)
                    and (walk.cut_at is null or created_at > walk.cut_at)
                    and (created_at, id) < ($3, $4)
                order by created_at desc, id desc
                limit $5
            ) found on true
            order by found.created_at desc, found.id desc
            "#,
            $store,
            $status as Option<OrderStatus>,
            $behind.created_at,
            $behind.id as OrderId,
            $sought,
            $rows_max,
        )
        .map(|row| (row.id, row.cut_at))
    };
}

/// Finds a page of orders with their lines, in three statements however many orders it has.
pub async fn find_page(
    connection: &mut PgConnection,
    perspective: Perspective,
    status: Option<OrderStatus>,
    walk: Walk,
) -> Result<Page, Error> {
    let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
    // One more order than the page has shows that there is another page.
    let sought = count(walk.limit).saturating_add(1);
    // A scan of less than a page would leave pages of any status short.
    let rows_max = count(walk.rows_max).max(sought);
    let rows: Result<Vec<Row>, _> = match perspective {
        Perspective::Buyer(store) => {
            walk_along!(
                "buyer_store_id",
                store as BuyerStoreId,
                status,
                walk.behind,
                sought,
                rows_max
            )
            .fetch_all(&mut *connection)
            .await
        }
        Perspective::Vendor(store) => {
            walk_along!(
                "vendor_store_id",
                store as VendorStoreId,
                status,
                walk.behind,
                sought,
                rows_max
            )
            .fetch_all(&mut *connection)
            .await
        }
    };
    let rows = rows.doing("list orders")?;
    let cut_at = rows.first().and_then(|(_, cut_at)| *cut_at);
    let mut ids: Vec<OrderId> = rows.into_iter().filter_map(|(id, _)| id).collect();
    let is_full = ids.len() > walk.limit;
    ids.truncate(walk.limit);
    let orders = load(connection, &ids, perspective).await?;
    let next = if is_full {
        orders.last().map(Position::behind)
    } else {
        // No order of the time at which the scan stopped is on this page, so all of them are on the next.
        cut_at.map(|created_at| Position {
            created_at,
            ..Position::START
        })
    };
    Ok(Page { orders, next })
}
