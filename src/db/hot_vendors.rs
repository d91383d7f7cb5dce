//! The console's questions about vendors: names, and what happened to a vendor's newest orders. Each reads
//! a bounded number of orders along an index, and locks nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    ids::{OrderId, ProductId, VendorStoreId},
    money::Money,
};

use super::error::{Doing, Error};

/// The newest orders of a vendor that are looked at.
const ORDERS_MAX: i64 = 200;
/// The newest orders of a vendor in which its most ordered product is looked for.
const NAMING_ORDERS_MAX: i64 = 30;
/// The most products and orders of an answer.
const ROWS_MAX: i64 = 8;

/// A vendor's name, and the product that most lines of its newest orders are of.
#[derive(Clone, Debug)]
pub struct NamedVendor {
    pub id: VendorStoreId,
    pub name: String,
    pub product: Option<String>,
}

/// The number of lines with one outcome, in a vendor's newest orders.
#[derive(Clone, Debug, Serialize)]
pub struct LineOutcome {
    /// `None` for lines that are not rejected.
    pub rejection_reason: Option<String>,
    pub lines: i64,
}

/// The stock of a product that is in many of a vendor's newest orders.
#[derive(Clone, Debug, Serialize)]
pub struct HotProduct {
    pub id: ProductId,
    pub title: String,
    pub lines: i64,
    pub available_qty: i32,
    pub reserved_qty: i32,
}

/// One of a vendor's newest orders.
#[derive(Clone, Debug, Serialize)]
pub struct NewestOrder {
    pub id: OrderId,
    pub status: String,
    pub total: Money,
    pub lines: i64,
    pub created_at: DateTime<Utc>,
}

/// Finds the names of vendors. Ids that are no stores are left out.
pub async fn name_vendors(
    connection: &mut PgConnection,
    vendors: &[VendorStoreId],
) -> Result<Vec<NamedVendor>, Error> {
    sqlx::query_as!(
        NamedVendor,
        r#"
        select s.id as "id: VendorStoreId", s.name, most.title as "product?"
        from unnest($1::uuid[]) as asked (id)
        join stores s on s.id = asked.id
        left join lateral (
            select min(l.title) as title
            from (
                select id
                from vendor_orders
                where vendor_store_id = asked.id
                order by created_at desc
                limit $2
            ) newest
            join order_line_items l on l.order_id = newest.id
            group by l.product_id
            order by count(*) desc, l.product_id
            limit 1
        ) most on true
        "#,
        vendors as &[VendorStoreId],
        NAMING_ORDERS_MAX,
    )
    .fetch_all(connection)
    .await
    .doing("name vendors")
}

/// Counts the lines of a vendor's newest orders by outcome.
pub async fn count_outcomes(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
) -> Result<Vec<LineOutcome>, Error> {
    sqlx::query_as!(
        LineOutcome,
        r#"
        select l.rejection_reason, count(*) as "lines!"
        from (
            select id
            from vendor_orders
            where vendor_store_id = $1
            order by created_at desc
            limit $2
        ) newest
        join order_line_items l on l.order_id = newest.id
        group by l.rejection_reason
        order by count(*) desc
        "#,
        vendor as VendorStoreId,
        ORDERS_MAX,
    )
    .fetch_all(connection)
    .await
    .doing("count a vendor's lines")
}

/// Finds the products that most lines of a vendor's newest orders are of, with their stock.
pub async fn find_hot_products(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
) -> Result<Vec<HotProduct>, Error> {
    sqlx::query_as!(
        HotProduct,
        r#"
        with hot as (
            select l.product_id, count(*) as lines
            from (
                select id
                from vendor_orders
                where vendor_store_id = $1
                order by created_at desc
                limit $2
            ) newest
            join order_line_items l on l.order_id = newest.id
            group by l.product_id
            order by count(*) desc, l.product_id
            limit $3
        )
        select
            p.id as "id: ProductId", p.title, hot.lines as "lines!",
            i.available_qty, i.reserved_qty
        from hot
        join products p on p.id = hot.product_id
        join inventory_items i on i.product_id = hot.product_id
        order by hot.lines desc, p.id
        "#,
        vendor as VendorStoreId,
        ORDERS_MAX,
        ROWS_MAX,
    )
    .fetch_all(connection)
    .await
    .doing("find a vendor's hot products")
}

/// Lists a vendor's newest orders, newest first.
pub async fn list_newest_orders(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
) -> Result<Vec<NewestOrder>, Error> {
    sqlx::query_as!(
        NewestOrder,
        r#"
        select
            o.id as "id: OrderId", o.status, o.total as "total: Money", o.created_at,
            (select count(*) from order_line_items l where l.order_id = o.id) as "lines!"
        from vendor_orders o
        where o.vendor_store_id = $1
        order by o.created_at desc
        limit $2
        "#,
        vendor as VendorStoreId,
        ROWS_MAX,
    )
    .fetch_all(connection)
    .await
    .doing("list a vendor's newest orders")
}
