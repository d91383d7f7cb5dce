//! Finds the orders whose vendors have not decided in time, along the primary key: ids are UUIDv7, which
//! ascend with time, so no index is needed that every checkout would pay for.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::OrderId,
};

/// The orders that a look goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those whose ids are old enough. The look reports nothing younger than `margin` before that as
    /// scanned: an order may be committed after one that has a later id, and instances' clocks differ.
    OldIds {
        /// The longest time from the making of an id to its commit, with the difference of clocks.
        margin: Duration,
    },
    /// All orders: also those whose ids don't tell their time.
    All,
}

/// The most rows that a look reads and returns.
#[derive(Clone, Copy, Debug)]
pub struct LookMax {
    pub scanned: i64,
    pub late: i64,
}

/// A part of the orders that was looked through.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The last order of the part; the next look begins after it. `None` if the part is empty.
    pub scanned_to: Option<OrderId>,
    /// The number of orders in the part, those within the margin included.
    pub scanned: i64,
    /// The late orders, in ascending id.
    pub late: Vec<OrderId>,
    /// The time in seconds by which the oldest of them is late; 0 if there is none.
    pub overdue_s: f64,
}

impl Look {
    /// True if the look has ended early, so that more orders follow at once.
    pub fn is_cut_short(&self, by: LookMax) -> bool {
        self.scanned >= by.scanned || self.late.len() as u64 >= by.late.unsigned_abs()
    }
}

/// Looks through the orders with ids after `after` for those that have waited for a decision for longer
/// than `decide_within`. Times are PostgreSQL's.
pub async fn look_for_late(
    connection: &mut PgConnection,
    after: OrderId,
    extent: Extent,
    decide_within: Duration,
    max: LookMax,
) -> Result<Look, Error> {
    let margin_s = match extent {
        Extent::OldIds { margin } => Some(margin.as_secs_f64()),
        Extent::All => None,
    };
    let row = sqlx::query!(
        r#"
        with times as (
            select
                now() - make_interval(secs => $3) as late_before,
                extract(epoch from now() - make_interval(secs => $3)) * 1000 as late_before_ms
        ),
        bounds as materialized (
            select
                late_before,
                -- The smallest UUIDv7 of a time: the first 48 bits are milliseconds. Null for all orders.
                case when $4::double precision is not null then
                    (lpad(to_hex(late_before_ms::bigint), 12, '0') || repeat('0', 20))::uuid
                end as ends_before,
                (lpad(to_hex((late_before_ms - $4::double precision * 1000)::bigint), 12, '0')
                    || repeat('0', 20))::uuid as settled_before
            from times
        ),
        scanned as materialized (
            select
                id,
                created_at,
                status = 'created_pending' and created_at <= (select late_before from bounds) as is_late
            from vendor_orders
            where id > $1
                and id < coalesce(
                    (select ends_before from bounds), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            order by id
            limit $2
        ),
        late as materialized (
            select id, created_at
            from scanned
            where is_late
            order by id
            limit $5
        )
        select
            (select count(*) from scanned) as "scanned!",
            least(
                case
                    when (select count(*) from late) >= $5 then
                        (select id from late order by id desc limit 1)
                    else (select id from scanned order by id desc limit 1)
                end,
                -- `least` ignores nulls: an empty part would end at the margin.
                case when exists (select from scanned) then settled_before end)
                as "scanned_to?: OrderId",
            array(select id from late order by id) as "late!: Vec<OrderId>",
            coalesce(
                (
                    select extract(epoch from late_before - min(created_at))::double precision
                    from late
                    where isfinite(created_at)
                ),
                0) as "overdue_s!"
        from bounds
        "#,
        after as OrderId,
        max.scanned,
        decide_within.as_secs_f64(),
        margin_s,
        max.late,
    )
    .fetch_one(connection)
    .await
    .doing("look for late orders")?;
    Ok(Look {
        // The margin may begin before the place from which this look has gone on.
        scanned_to: row.scanned_to.filter(|to| *to > after),
        scanned: row.scanned,
        late: row.late,
        overdue_s: row.overdue_s,
    })
}

/// The order up to which all late ones were dealt with, by any instance.
pub async fn walked_to(connection: &mut PgConnection) -> Result<OrderId, Error> {
    let to = sqlx::query_scalar!(r#"select walked_to as "to: OrderId" from expiry_progress"#)
        .fetch_one(connection)
        .await
        .doing("read how far late orders were looked for")?;
    Ok(to)
}

/// Records that all late orders up to this one were dealt with. Another instance may be ahead.
pub async fn record_walked_to(connection: &mut PgConnection, to: OrderId) -> Result<(), Error> {
    sqlx::query!(
        r#"
        update expiry_progress
        set
            walked_to = $1,
            updated_at = now()
        where walked_to < $1
        "#,
        to as OrderId,
    )
    .execute(connection)
    .await
    .doing("record how far late orders were looked for")?;
    Ok(())
}
