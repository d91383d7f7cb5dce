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
    /// Units that are gone.
    pub fulfilled: i64,
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
    /// Lines that are reserved or fulfilled.
    pub lines_reserved: i64,
    /// Lines that the checkout has rejected.
    pub lines_rejected: i64,
    /// Lines that a move has ended.
    pub lines_released: i64,
    /// Units that are reserved or fulfilled.
    pub units: i64,
}

impl Bought {
    /// The difference to an earlier count.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            groups: self.groups - earlier.groups,
            orders: self.orders - earlier.orders,
            lines_reserved: self.lines_reserved - earlier.lines_reserved,
            lines_rejected: self.lines_rejected - earlier.lines_rejected,
            lines_released: self.lines_released - earlier.lines_released,
            units: self.units - earlier.units,
        }
    }
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
            coalesce(sum(fulfilled_qty), 0)::bigint as "fulfilled!",
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

/// The units of each product, wherever they are: available, reserved or gone. In ascending id.
pub async fn units_of(
    connection: &mut PgConnection,
    products: &[ProductId],
) -> Result<Vec<(ProductId, i64)>, Error> {
    let rows = sqlx::query!(
        r#"
        select
            product_id as "product_id: ProductId",
            available_qty::bigint + reserved_qty::bigint + fulfilled_qty as "units!"
        from inventory_items
        where product_id = any($1)
        order by product_id
        "#,
        products as &[ProductId],
    )
    .fetch_all(connection)
    .await
    .doing("add up the units of each product")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.product_id, row.units))
        .collect())
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
            count(*) filter (where l.status = 'rejected') - count(*) filter (where l.is_released)
                as "lines_rejected!",
            count(*) filter (where l.is_released) as "lines_released!",
            coalesce(sum(l.qty) filter (where l.status <> 'rejected'), 0)::bigint as "units!"
        from (
            select
                order_id,
                status,
                qty,
                coalesce(rejection_reason, '') in ('vendor_rejected', 'order_canceled', 'order_expired')
                    as is_released
            from order_line_items
        ) l
        join vendor_orders o on o.id = l.order_id
        join bought on bought.id = o.checkout_group_id
        "#,
        carts as &[CartId],
    )
    .fetch_one(connection)
    .await
    .doing("count what was bought")
}
