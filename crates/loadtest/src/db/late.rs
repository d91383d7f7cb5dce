//! Late orders: their stock, and how many of them are left.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use splitcart::{
    db::error::{Doing, Error},
    domain::ids::{OrderId, ProductId},
};

/// Takes units of products from the available to the reserved ones.
pub async fn reserve(
    connection: &mut PgConnection,
    units: &BTreeMap<ProductId, i32>,
) -> Result<(), Error> {
    let (products, units): (Vec<_>, Vec<_>) = units.iter().map(|(id, qty)| (*id, *qty)).unzip();
    sqlx::query!(
        r#"
        with wanted as (
            select i.product_id, n.qty
            from inventory_items i
            join unnest($1::uuid[], $2::integer[]) as n (product_id, qty) using (product_id)
            order by i.product_id
            for update of i
        )
        update inventory_items i
        set
            available_qty = i.available_qty - wanted.qty,
            reserved_qty = i.reserved_qty + wanted.qty,
            updated_at = now()
        from wanted
        where i.product_id = wanted.product_id
        "#,
        &products as &[ProductId],
        &units,
    )
    .execute(connection)
    .await
    .doing("reserve stock for late orders")?;
    Ok(())
}

/// The order up to which the server has looked for late orders.
pub async fn walked_to(connection: &mut PgConnection) -> Result<OrderId, Error> {
    sqlx::query_scalar!(r#"select walked_to as "walked_to: OrderId" from expiry_progress"#)
        .fetch_one(connection)
        .await
        .doing("read how far late orders were looked for")
}

/// The first order of a range of ids that waits for a decision.
pub async fn first_waiting(
    connection: &mut PgConnection,
    first: OrderId,
    last: OrderId,
) -> Result<Option<OrderId>, Error> {
    sqlx::query_scalar!(
        r#"
        select id as "id: OrderId"
        from vendor_orders
        where id between $1 and $2
            and status = 'created_pending'
        order by id
        limit 1
        "#,
        first as OrderId,
        last as OrderId,
    )
    .fetch_optional(connection)
    .await
    .doing("look for the first late order")
}

/// The number of orders of a range of ids that wait for a decision.
pub async fn count_waiting(
    connection: &mut PgConnection,
    first: OrderId,
    last: OrderId,
) -> Result<u64, Error> {
    let count = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from vendor_orders
        where id between $1 and $2
            and status = 'created_pending'
        "#,
        first as OrderId,
        last as OrderId,
    )
    .fetch_one(connection)
    .await
    .doing("count the late orders")?;
    Ok(count.unsigned_abs())
}
