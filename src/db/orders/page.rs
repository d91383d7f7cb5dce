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

/// Where in the list a page begins, and how far is looked for it.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The page begins behind this.
    pub behind: Position,
    /// How many orders it has at most.
    pub limit: usize,
    /// How many orders are looked at, whatever their status: nobody walks through a million of them to
    /// find none.
    pub rows_max: usize,
}

/// A part of the list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub orders: Vec<PlacedOrder>,
    /// Where the next page begins, if anything may be there.
    pub next: Option<Position>,
}

/// An order's id, if any was found, and the time at which the walk was cut, if it was.
type Row = (Option<OrderId>, Option<DateTime<Utc>>);

/// One statement for the two columns that an order belongs by; a condition on either would cost the index.
macro_rules! walk_along {
    ($column:tt, $store:expr, $status:expr, $behind:expr, $sought:expr, $rows_max:expr) => {
        sqlx::query!(
            r#"
            -- The index ends with the time, and a wider one would cost every checkout: so a walk
            -- along it finds the last time of the page, and only what is not older is sorted. It
            -- goes no further than $6 orders, whatever their status.
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
            -- If the page is not full then: where the walk would go on.
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

/// Up to `limit` orders behind a position, whole. Three statements, however many orders.
///
/// # Errors
/// A statement failed.
pub async fn find_page(
    connection: &mut PgConnection,
    perspective: Perspective,
    status: Option<OrderStatus>,
    walk: Walk,
) -> Result<Page, Error> {
    let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
    // One more says whether there is another page.
    let sought = count(walk.limit).saturating_add(1);
    // A page of any status is always full, or the last one.
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
        // Those of the time at which the walk was cut are all still to come.
        cut_at.map(|created_at| Position {
            created_at,
            ..Position::START
        })
    };
    Ok(Page { orders, next })
}
