//! The outcome of a load test's carts by the database, not by the driver.

use serde::Serialize;
use sqlx::PgConnection;

use splitcart::{
    db::error::{Doing, Error},
    domain::ids::{CartId, ProductId},
};

/// The stock of several products, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Units that can be bought.
    pub available: i64,
    /// Units that are reserved.
    pub reserved: i64,
    /// The least that is available of any of them; negative would be an oversold product.
    pub least_available: i64,
}

/// Totals of what was bought from some carts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bought {
    /// Checkout groups.
    pub groups: i64,
    /// Orders of vendors.
    pub orders: i64,
    /// Lines whose stock was reserved.
    pub lines_reserved: i64,
    /// Lines that were rejected.
    pub lines_rejected: i64,
    /// Units reserved.
    pub units: i64,
}

/// Adds up the stock of products.
pub async fn stock_of(
    connection: &mut PgConnection,
    products: &[ProductId],
) -> Result<Stock, Error> {
    sqlx::query_as!(
        Stock,
        r#"
        select
            coalesce(sum(available_qty), 0)::bigint as "available!",
            coalesce(sum(reserved_qty), 0)::bigint as "reserved!",
            coalesce(min(available_qty), 0)::bigint as "least_available!"
        from inventory_items
        where product_id = any($1)
        "#,
        products as &[ProductId],
    )
    .fetch_one(connection)
    .await
    .doing("add up the stock")
}

/// Counts what the checkouts of these carts have created.
pub async fn count_bought(
    connection: &mut PgConnection,
    carts: &[CartId],
) -> Result<Bought, Error> {
    sqlx::query_as!(
        Bought,
        r#"
        with bought as (
            select id from checkout_groups where cart_id = any($1)
        )
        select
            (select count(*) from bought) as "groups!",
            count(distinct l.order_id) as "orders!",
            count(*) filter (where l.status <> 'rejected') as "lines_reserved!",
            count(*) filter (where l.status = 'rejected') as "lines_rejected!",
            coalesce(sum(l.qty) filter (where l.status <> 'rejected'), 0)::bigint as "units!"
        from order_line_items l
        join vendor_orders o on o.id = l.order_id
        join bought on bought.id = o.checkout_group_id
        "#,
        carts as &[CartId],
    )
    .fetch_one(connection)
    .await
    .doing("count what was bought")
}
