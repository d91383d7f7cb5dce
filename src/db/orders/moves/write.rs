//! Writes what moves have changed.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{PgConnection, types::Json};

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::{
        cart::Totals,
        ids::{CheckoutGroupId, LineItemId, OrderId},
        money::Money,
        order::{LineStatus, OrderLine, OrderStatus, PaymentIntent, PaymentStatus, PlacedOrder},
        rejection::{LineRejectionReason, OrderRejectionReason},
    },
};

use super::super::detail::{RejectionDetail, detail};

/// A line that was changed by a move of its order.
#[derive(Clone, Copy, Debug)]
pub struct LineChange<'a> {
    pub line: &'a OrderLine,
    pub moved_at: DateTime<Utc>,
}

/// The difference that moves make to a group's figures.
#[derive(Clone, Copy, Debug)]
pub struct GroupChange {
    pub id: CheckoutGroupId,
    pub before: Totals,
    pub after: Totals,
}

/// The numbers of rows that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub orders: i64,
    pub lines: i64,
    pub intents: i64,
    pub groups: i64,
}

/// Writes changed orders with their payment intents, changed lines, and the figures of their groups, in one
/// statement. All rows are there unless the caller has a bug.
pub async fn write(
    connection: &mut PgConnection,
    orders: &[&PlacedOrder],
    lines: &[LineChange<'_>],
    groups: &[GroupChange],
) -> Result<Written, Error> {
    let intent = |order: &&PlacedOrder| Some((order.order.payment_intent?, order.updated_at));
    let intents: Vec<(PaymentIntent, _)> = orders.iter().filter_map(intent).collect();
    let more = |after: Money, before: Money| after.decimal() - before.decimal();
    let written = sqlx::query!(
        r#"
        with orders as (
            update vendor_orders o
            set
                status = n.status,
                subtotal = n.subtotal,
                discount_total = n.discount_total,
                total = n.total,
                balance_due = n.balance_due,
                rejection_reason = n.rejection_reason,
                updated_at = n.moved_at
            from unnest(
                $1::uuid[], $2::text[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[],
                $7::text[], $8::timestamptz[])
                as n (id, status, subtotal, discount_total, total, balance_due, rejection_reason, moved_at)
            where o.id = n.id
            returning o.id
        ),
        lines as (
            update order_line_items l
            set
                status = n.status,
                rejection_reason = n.rejection_reason,
                rejection_detail = n.rejection_detail,
                updated_at = n.moved_at
            from unnest($9::uuid[], $10::text[], $11::text[], $12::jsonb[], $13::timestamptz[])
                as n (id, status, rejection_reason, rejection_detail, moved_at)
            where l.id = n.id
            returning l.id
        ),
        intents as (
            update payment_intents p
            set
                amount = n.amount,
                status = n.status,
                updated_at = n.moved_at
            from unnest($14::uuid[], $15::numeric[], $16::text[], $17::timestamptz[])
                as n (id, amount, status, moved_at)
            where p.id = n.id
            returning p.id
        ),
        groups as (
            update checkout_groups g
            set
                subtotal = g.subtotal + n.subtotal,
                discount_total = g.discount_total + n.discount_total,
                total = g.total + n.total
            from unnest($18::uuid[], $19::numeric[], $20::numeric[], $21::numeric[])
                as n (id, subtotal, discount_total, total)
            where g.id = n.id
            returning g.id
        )
        select
            (select count(*) from orders) as "orders!",
            (select count(*) from lines) as "lines!",
            (select count(*) from intents) as "intents!",
            (select count(*) from groups) as "groups!"
        "#,
        // The ids of the orders.
        &column(orders, |order| order.order.id) as &[OrderId],
        &column(orders, |order| order.order.status) as &[OrderStatus],
        &column(orders, |order| order.order.totals.subtotal) as &[Money],
        &column(orders, |order| order.order.totals.discount_total) as &[Money],
        &column(orders, |order| order.order.totals.total) as &[Money],
        &column(orders, |order| order.order.balance_due) as &[Money],
        &column(orders, |order| order.order.rejection_reason) as &[Option<OrderRejectionReason>],
        &column(orders, |order| order.updated_at),
        // The ids of the lines.
        &column(lines, |change| change.line.id) as &[LineItemId],
        &column(lines, |change| change.line.status) as &[LineStatus],
        &column(lines, |change| change.line.rejection_reason()) as &[Option<LineRejectionReason>],
        &column(lines, |change| change.line.rejection.as_ref().and_then(detail))
            as &[Option<Json<RejectionDetail>>],
        &column(lines, |change| change.moved_at),
        // The ids of the intents.
        &column(&intents, |(intent, _)| intent.id.uuid()),
        &column(&intents, |(intent, _)| intent.amount) as &[Money],
        &column(&intents, |(intent, _)| intent.status) as &[PaymentStatus],
        &column(&intents, |(_, moved_at)| *moved_at),
        // The ids of the groups.
        &column(groups, |group| group.id) as &[CheckoutGroupId],
        &column(groups, |group| more(group.after.subtotal, group.before.subtotal)) as &[Decimal],
        &column(groups, |group| more(group.after.discount_total, group.before.discount_total)),
        &column(groups, |group| more(group.after.total, group.before.total)),
    )
    .fetch_one(connection)
    .await
    .doing("write moved orders")?;
    Ok(Written {
        orders: written.orders,
        lines: written.lines,
        intents: written.intents,
        groups: written.groups,
    })
}
