//! Writes checkouts: their groups, orders, payment intents and lines.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        UserId, VendorStoreId,
    },
    money::Money,
    order::{
        Checkout, CheckoutGroup, LineStatus, OrderLine, OrderStatus, PaymentMethod, PaymentStatus,
        VendorOrder,
    },
    product::Unit,
    rejection::{LineRejectionReason, OrderRejectionReason},
};

use super::{
    super::{
        column,
        error::{Doing, Error},
    },
    detail::{RejectionDetail, detail},
};

/// Writes any number of checkouts into four tables, in one statement: a round trip less for each table
/// while the transaction is open. Foreign keys are checked at the statement's end, so the tables may be
/// filled in any sequence.
pub async fn insert_checkouts(
    connection: &mut PgConnection,
    checkouts: &[Checkout],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let groups: Vec<_> = checkouts.iter().map(|checkout| &checkout.group).collect();
    let orders: Vec<_> = checkouts.iter().flat_map(orders_of).collect();
    let intent = |order: &VendorOrder| order.payment_intent.map(|intent| (order.id, intent));
    let intents: Vec<_> = orders
        .iter()
        .filter_map(|(_, order)| intent(order))
        .collect();
    let lines: Vec<_> = orders
        .iter()
        .flat_map(|(group, order)| lines_of(group, order))
        .collect();
    sqlx::query!(
        r#"
        with groups as (
            insert into checkout_groups (
                created_at, id, buyer_store_id, cart_id, created_by, currency, subtotal,
                discount_total, total)
            select $1::timestamptz, n.*
            from unnest(
                $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::numeric[],
                $8::numeric[], $9::numeric[]) as n
        ),
        orders as (
            insert into vendor_orders (
                created_at, updated_at, id, checkout_group_id, buyer_store_id, vendor_store_id,
                status, currency, subtotal, discount_total, total, balance_due, rejection_reason)
            select $1::timestamptz, $1::timestamptz, n.*
            from unnest(
                $10::uuid[], $11::uuid[], $12::uuid[], $13::uuid[], $14::text[], $15::text[],
                $16::numeric[], $17::numeric[], $18::numeric[], $19::numeric[], $20::text[]) as n
        ),
        intents as (
            insert into payment_intents (
                created_at, updated_at, id, order_id, method, status, amount)
            select $1::timestamptz, $1::timestamptz, n.*
            from unnest($21::uuid[], $22::uuid[], $23::text[], $24::text[], $25::numeric[]) as n
        )
        insert into order_line_items (
            created_at, updated_at, id, order_id, checkout_group_id, position, product_id, sku,
            title, unit, qty, list_price, unit_price, discount, total, status, rejection_reason,
            rejection_detail)
        select $1::timestamptz, $1::timestamptz, n.*
        from unnest(
            $26::uuid[], $27::uuid[], $28::uuid[], $29::integer[], $30::uuid[], $31::text[],
            $32::text[], $33::text[], $34::integer[], $35::numeric[], $36::numeric[],
            $37::numeric[], $38::numeric[], $39::text[], $40::text[], $41::jsonb[]) as n
        "#,
        now,
        // The groups.
        &column(&groups, |group| group.id) as &[CheckoutGroupId],
        &column(&groups, |group| group.buyer_store_id) as &[BuyerStoreId],
        &column(&groups, |group| group.cart_id) as &[CartId],
        &column(&groups, |group| group.created_by) as &[UserId],
        &column(&groups, |group| group.currency.clone()),
        &column(&groups, |group| group.totals.subtotal) as &[Money],
        &column(&groups, |group| group.totals.discount_total) as &[Money],
        &column(&groups, |group| group.totals.total) as &[Money],
        // The ids of the orders.
        &column(&orders, |(_, order)| order.id) as &[OrderId],
        &column(&orders, |(group, _)| group.id) as &[CheckoutGroupId],
        &column(&orders, |(group, _)| group.buyer_store_id) as &[BuyerStoreId],
        &column(&orders, |(_, order)| order.vendor_store_id) as &[VendorStoreId],
        &column(&orders, |(_, order)| order.status) as &[OrderStatus],
        &column(&orders, |(group, _)| group.currency.clone()),
        &column(&orders, |(_, order)| order.totals.subtotal) as &[Money],
        &column(&orders, |(_, order)| order.totals.discount_total) as &[Money],
        &column(&orders, |(_, order)| order.totals.total) as &[Money],
        &column(&orders, |(_, order)| order.balance_due) as &[Money],
        &column(&orders, |(_, order)| order.rejection_reason) as &[Option<OrderRejectionReason>],
        // The ids of the payment intents.
        &column(&intents, |(_, intent)| intent.id) as &[PaymentIntentId],
        &column(&intents, |(order_id, _)| *order_id) as &[OrderId],
        &column(&intents, |(_, intent)| intent.method) as &[PaymentMethod],
        &column(&intents, |(_, intent)| intent.status) as &[PaymentStatus],
        &column(&intents, |(_, intent)| intent.amount) as &[Money],
        // The ids of the lines.
        &column(&lines, |(.., line)| line.id) as &[LineItemId],
        &column(&lines, |(_, order_id, _)| *order_id) as &[OrderId],
        &column(&lines, |(group_id, ..)| *group_id) as &[CheckoutGroupId],
        &column(&lines, |(.., line)| line.position),
        &column(&lines, |(.., line)| line.product_id) as &[ProductId],
        &column(&lines, |(.., line)| line.sku.clone()),
        &column(&lines, |(.., line)| line.title.clone()),
        &column(&lines, |(.., line)| line.unit) as &[Unit],
        &column(&lines, |(.., line)| line.qty),
        &column(&lines, |(.., line)| line.list_price) as &[Money],
        &column(&lines, |(.., line)| line.unit_price) as &[Money],
        &column(&lines, |(.., line)| line.discount) as &[Money],
        &column(&lines, |(.., line)| line.total) as &[Money],
        &column(&lines, |(.., line)| line.status) as &[LineStatus],
        &column(&lines, |(.., line)| line.rejection_reason()) as &[Option<LineRejectionReason>],
        &column(&lines, |(.., line)| line
            .rejection
            .as_ref()
            .and_then(detail)) as &[Option<Json<RejectionDetail>>],
    )
    .execute(connection)
    .await
    .doing("write checkout groups, orders, payment intents and lines")?;
    Ok(())
}

fn orders_of(checkout: &Checkout) -> impl Iterator<Item = (&CheckoutGroup, &VendorOrder)> {
    checkout.orders.iter().map(|order| (&checkout.group, order))
}

fn lines_of<'a>(
    group: &CheckoutGroup,
    order: &'a VendorOrder,
) -> impl Iterator<Item = (CheckoutGroupId, OrderId, &'a OrderLine)> {
    let (group_id, order_id) = (group.id, order.id);
    order
        .lines
        .iter()
        .map(move |line| (group_id, order_id, line))
}
