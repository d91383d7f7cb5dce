//! Writes what checkouts created.

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
    rejection::{LineRejectionReason, OrderRejectionReason, Rejection},
};

use super::{
    super::{
        column,
        error::{Doing, Error},
    },
    RejectionDetail,
};

/// Writes everything that checkouts created, in one statement however many there are: four tables
/// and one round trip, while the turns of all vendors are held. Foreign keys are checked at its end,
/// so the order in which the tables are filled is of no matter.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn insert_checkouts(
    connection: &mut PgConnection,
    checkouts: &[Checkout],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let groups: Vec<_> = checkouts.iter().map(|checkout| &checkout.group).collect();
    let orders: Vec<_> = checkouts.iter().flat_map(orders_of).collect();
    let intent = |order: &VendorOrder| order.payment_intent.map(|intent| (order.id, intent));
    let intents: Vec<_> = orders.iter().filter_map(|(_, it)| intent(it)).collect();
    let lines: Vec<_> = orders
        .iter()
        .flat_map(|(group, it)| lines_of(group, it))
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
        &column(&groups, |it| it.id) as &[CheckoutGroupId],
        &column(&groups, |it| it.buyer_store_id) as &[BuyerStoreId],
        &column(&groups, |it| it.cart_id) as &[CartId],
        &column(&groups, |it| it.created_by) as &[UserId],
        &column(&groups, |it| it.currency.clone()),
        &column(&groups, |it| it.totals.subtotal) as &[Money],
        &column(&groups, |it| it.totals.discount_total) as &[Money],
        &column(&groups, |it| it.totals.total) as &[Money],
        // Their orders.
        &column(&orders, |(_, it)| it.id) as &[OrderId],
        &column(&orders, |(group, _)| group.id) as &[CheckoutGroupId],
        &column(&orders, |(group, _)| group.buyer_store_id) as &[BuyerStoreId],
        &column(&orders, |(_, it)| it.vendor_store_id) as &[VendorStoreId],
        &column(&orders, |(_, it)| it.status) as &[OrderStatus],
        &column(&orders, |(group, _)| group.currency.clone()),
        &column(&orders, |(_, it)| it.totals.subtotal) as &[Money],
        &column(&orders, |(_, it)| it.totals.discount_total) as &[Money],
        &column(&orders, |(_, it)| it.totals.total) as &[Money],
        &column(&orders, |(_, it)| it.balance_due) as &[Money],
        &column(&orders, |(_, it)| it.rejection_reason) as &[Option<OrderRejectionReason>],
        // How these are to be paid.
        &column(&intents, |(_, it)| it.id) as &[PaymentIntentId],
        &column(&intents, |(order_id, _)| *order_id) as &[OrderId],
        &column(&intents, |(_, it)| it.method) as &[PaymentMethod],
        &column(&intents, |(_, it)| it.status) as &[PaymentStatus],
        &column(&intents, |(_, it)| it.amount) as &[Money],
        // Their lines.
        &column(&lines, |(.., it)| it.id) as &[LineItemId],
        &column(&lines, |(_, order_id, _)| *order_id) as &[OrderId],
        &column(&lines, |(group_id, ..)| *group_id) as &[CheckoutGroupId],
        &column(&lines, |(.., it)| it.position),
        &column(&lines, |(.., it)| it.product_id) as &[ProductId],
        &column(&lines, |(.., it)| it.sku.clone()),
        &column(&lines, |(.., it)| it.title.clone()),
        &column(&lines, |(.., it)| it.unit) as &[Unit],
        &column(&lines, |(.., it)| it.qty),
        &column(&lines, |(.., it)| it.list_price) as &[Money],
        &column(&lines, |(.., it)| it.unit_price) as &[Money],
        &column(&lines, |(.., it)| it.discount) as &[Money],
        &column(&lines, |(.., it)| it.total) as &[Money],
        &column(&lines, |(.., it)| it.status) as &[LineStatus],
        &column(&lines, |(.., it)| it.rejection.map(|it| it.reason))
            as &[Option<LineRejectionReason>],
        &column(&lines, |(.., it)| it.rejection.and_then(detail))
            as &[Option<Json<RejectionDetail>>],
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

fn detail(rejection: Rejection) -> Option<Json<RejectionDetail>> {
    Some(Json(RejectionDetail {
        available_qty: rejection.available_qty?,
        reserved_qty: rejection.reserved_qty,
        moq: rejection.moq,
    }))
}
