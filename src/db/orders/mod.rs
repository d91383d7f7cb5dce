//! Checkout groups, vendor orders, their lines and payment intents (PF-077).

mod read;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        UserId, VendorStoreId,
    },
    money::Money,
    order::{
        Checkout, LineRejectionReason, LineStatus, OrderRejectionReason, OrderStatus,
        PaymentMethod, PaymentStatus, Rejection,
    },
    product::Unit,
};

use super::error::{Doing, Error};

pub use read::{find_checkout, find_groups_of_carts};

/// The column `rejection_detail`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RejectionDetail {
    available_qty: i32,
}

/// Writes everything that checkouts created, in four statements however many there are.
///
/// # Errors
/// A statement failed; the transaction is lost.
pub async fn insert_checkouts(
    connection: &mut PgConnection,
    checkouts: &[Checkout],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    insert_groups(connection, checkouts).await?;
    insert_orders(connection, checkouts, now).await?;
    insert_order_lines(connection, checkouts, now).await?;
    insert_payment_intents(connection, checkouts, now).await
}

async fn insert_groups(connection: &mut PgConnection, checkouts: &[Checkout]) -> Result<(), Error> {
    let groups = || checkouts.iter().map(|checkout| &checkout.group);
    sqlx::query!(
        r#"
        insert into checkout_groups (
            id, buyer_store_id, cart_id, created_by, currency, subtotal, discount_total, total,
            created_at)
        select *
        from unnest(
            $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::numeric[],
            $7::numeric[], $8::numeric[], $9::timestamptz[])
        "#,
        &groups().map(|it| it.id).collect::<Vec<_>>() as &[CheckoutGroupId],
        &groups().map(|it| it.buyer_store_id).collect::<Vec<_>>() as &[BuyerStoreId],
        &groups().map(|it| it.cart_id).collect::<Vec<_>>() as &[CartId],
        &groups().map(|it| it.created_by).collect::<Vec<_>>() as &[UserId],
        &groups().map(|it| it.currency.clone()).collect::<Vec<_>>(),
        &groups().map(|it| it.totals.subtotal).collect::<Vec<_>>() as &[Money],
        &groups()
            .map(|it| it.totals.discount_total)
            .collect::<Vec<_>>() as &[Money],
        &groups().map(|it| it.totals.total).collect::<Vec<_>>() as &[Money],
        &groups().map(|it| it.created_at).collect::<Vec<_>>(),
    )
    .execute(connection)
    .await
    .doing("write checkout groups")?;
    Ok(())
}

async fn insert_orders(
    connection: &mut PgConnection,
    checkouts: &[Checkout],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let rows: Vec<_> = checkouts
        .iter()
        .flat_map(|checkout| checkout.orders.iter().map(|order| (&checkout.group, order)))
        .collect();
    sqlx::query!(
        r#"
        insert into vendor_orders (
            created_at, updated_at, id, checkout_group_id, buyer_store_id, vendor_store_id, status,
            currency, subtotal, discount_total, total, balance_due, rejection_reason)
        select $1::timestamptz, $1::timestamptz, n.*
        from unnest(
            $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::numeric[],
            $9::numeric[], $10::numeric[], $11::numeric[], $12::text[]) as n
        "#,
        now,
        &rows.iter().map(|(_, it)| it.id).collect::<Vec<_>>() as &[OrderId],
        &rows.iter().map(|(group, _)| group.id).collect::<Vec<_>>() as &[CheckoutGroupId],
        &rows
            .iter()
            .map(|(group, _)| group.buyer_store_id)
            .collect::<Vec<_>>() as &[BuyerStoreId],
        &rows
            .iter()
            .map(|(_, it)| it.vendor_store_id)
            .collect::<Vec<_>>() as &[VendorStoreId],
        &rows.iter().map(|(_, it)| it.status).collect::<Vec<_>>() as &[OrderStatus],
        &rows
            .iter()
            .map(|(group, _)| group.currency.clone())
            .collect::<Vec<_>>(),
        &rows
            .iter()
            .map(|(_, it)| it.totals.subtotal)
            .collect::<Vec<_>>() as &[Money],
        &rows
            .iter()
            .map(|(_, it)| it.totals.discount_total)
            .collect::<Vec<_>>() as &[Money],
        &rows
            .iter()
            .map(|(_, it)| it.totals.total)
            .collect::<Vec<_>>() as &[Money],
        &rows
            .iter()
            .map(|(_, it)| it.balance_due)
            .collect::<Vec<_>>() as &[Money],
        &rows
            .iter()
            .map(|(_, it)| it.rejection_reason)
            .collect::<Vec<_>>() as &[Option<OrderRejectionReason>],
    )
    .execute(connection)
    .await
    .doing("write vendor orders")?;
    Ok(())
}

async fn insert_order_lines(
    connection: &mut PgConnection,
    checkouts: &[Checkout],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut rows = Vec::new();
    for checkout in checkouts {
        for order in &checkout.orders {
            rows.extend(
                order
                    .lines
                    .iter()
                    .map(|line| (checkout.group.id, order.id, line)),
            );
        }
    }
    let lines = || rows.iter().map(|(_, _, line)| line);
    let rejections = || lines().map(|line| line.rejection);
    let detail = |rejection: Rejection| {
        rejection
            .available_qty
            .map(|available_qty| Json(RejectionDetail { available_qty }))
    };
    sqlx::query!(
        r#"
        insert into order_line_items (
            created_at, updated_at, id, order_id, checkout_group_id, position, product_id, sku,
            title, unit, qty, list_price, unit_price, discount, total, status, rejection_reason,
            rejection_detail)
        select $1::timestamptz, $1::timestamptz, n.*
        from unnest(
            $2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $6::uuid[], $7::text[], $8::text[],
            $9::text[], $10::integer[], $11::numeric[], $12::numeric[], $13::numeric[],
            $14::numeric[], $15::text[], $16::text[], $17::jsonb[]) as n
        "#,
        now,
        &lines().map(|it| it.id).collect::<Vec<_>>() as &[LineItemId],
        &rows
            .iter()
            .map(|(_, order_id, _)| *order_id)
            .collect::<Vec<_>>() as &[OrderId],
        &rows
            .iter()
            .map(|(group_id, _, _)| *group_id)
            .collect::<Vec<_>>() as &[CheckoutGroupId],
        &lines().map(|it| it.position).collect::<Vec<_>>(),
        &lines().map(|it| it.product_id).collect::<Vec<_>>() as &[ProductId],
        &lines().map(|it| it.sku.clone()).collect::<Vec<_>>(),
        &lines().map(|it| it.title.clone()).collect::<Vec<_>>(),
        &lines().map(|it| it.unit).collect::<Vec<_>>() as &[Unit],
        &lines().map(|it| it.qty).collect::<Vec<_>>(),
        &lines().map(|it| it.list_price).collect::<Vec<_>>() as &[Money],
        &lines().map(|it| it.unit_price).collect::<Vec<_>>() as &[Money],
        &lines().map(|it| it.discount).collect::<Vec<_>>() as &[Money],
        &lines().map(|it| it.total).collect::<Vec<_>>() as &[Money],
        &lines().map(|it| it.status).collect::<Vec<_>>() as &[LineStatus],
        &rejections()
            .map(|it| it.map(|it| it.reason))
            .collect::<Vec<_>>() as &[Option<LineRejectionReason>],
        &rejections()
            .map(|it| it.and_then(detail))
            .collect::<Vec<_>>() as &[Option<Json<RejectionDetail>>],
    )
    .execute(connection)
    .await
    .doing("write order lines")?;
    Ok(())
}

async fn insert_payment_intents(
    connection: &mut PgConnection,
    checkouts: &[Checkout],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let rows: Vec<_> = checkouts
        .iter()
        .flat_map(|checkout| &checkout.orders)
        .filter_map(|order| order.payment_intent.map(|intent| (order.id, intent)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into payment_intents (
            created_at, updated_at, id, order_id, method, status, amount)
        select $1::timestamptz, $1::timestamptz, n.*
        from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::numeric[]) as n
        "#,
        now,
        &rows.iter().map(|(_, it)| it.id).collect::<Vec<_>>() as &[PaymentIntentId],
        &rows
            .iter()
            .map(|(order_id, _)| *order_id)
            .collect::<Vec<_>>() as &[OrderId],
        &rows.iter().map(|(_, it)| it.method).collect::<Vec<_>>() as &[PaymentMethod],
        &rows.iter().map(|(_, it)| it.status).collect::<Vec<_>>() as &[PaymentStatus],
        &rows.iter().map(|(_, it)| it.amount).collect::<Vec<_>>() as &[Money],
    )
    .execute(connection)
    .await
    .doing("write payment intents")?;
    Ok(())
}
