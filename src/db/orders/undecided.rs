//! Counts the orders that wait for their vendors' decisions, a part of the table at a time, along the primary
//! key: ids are UUIDv7, which ascend with time. An index on the status would cost every checkout.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::OrderId,
};

/// The count of a part of the orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The number of orders in the part.
    pub scanned: i64,
    /// The last of them; the next part begins after it. `None` if the part is empty.
    pub scanned_to: Option<OrderId>,
    /// The number of those that wait.
    pub waiting: i64,
    /// The first of those that wait.
    pub first_waiting: Option<OrderId>,
    /// The age in seconds of the oldest of those that wait; 0 if none does.
    pub oldest_s: f64,
    /// The first id that an order not yet committed may have.
    pub settled_before: OrderId,
}

/// Counts in the orders with ids after `after`, `scanned_max` of them at most. An order may be committed
/// `margin` after the making of its id. Times are PostgreSQL's.
pub async fn count_undecided(
    connection: &mut PgConnection,
    after: OrderId,
    margin: Duration,
    scanned_max: i64,
) -> Result<Part, Error> {
    let part = sqlx::query_as!(
        Part,
        r#"
        with part as materialized (
            select id, created_at, status = 'created_pending' as is_waiting
            from vendor_orders
            where id > $1
            order by id
            limit $2
        )
        select
            count(*) as "scanned!",
            (select id from part order by id desc limit 1) as "scanned_to?: OrderId",
            count(*) filter (where is_waiting) as "waiting!",
            (select id from part where is_waiting order by id limit 1) as "first_waiting?: OrderId",
            coalesce(
                extract(epoch from now()
                    - min(created_at) filter (where is_waiting and isfinite(created_at))),
                0)::double precision as "oldest_s!",
            -- The smallest UUIDv7 of a time: the first 48 bits are milliseconds.
            (lpad(to_hex((extract(epoch from now()) * 1000 - $3::double precision * 1000)::bigint), 12, '0')
                || repeat('0', 20))::uuid as "settled_before!: OrderId"
        from part
        "#,
        after as OrderId,
        scanned_max,
        margin.as_secs_f64(),
    )
    .fetch_one(connection)
    .await
    .doing("count the orders that wait for a decision")?;
    Ok(part)
}
