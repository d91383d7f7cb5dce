//! Checkout groups, vendor orders, their lines and payment intents (PF-077).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    cart::Totals,
    ids::{
        BuyerStoreId, CartId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        UserId, VendorStoreId,
    },
    money::Money,
    order::{
        Checkout, CheckoutGroup, LineRejectionReason, LineStatus, OrderLine, OrderRejectionReason,
        OrderStatus, PaymentIntent, PaymentMethod, PaymentStatus, Rejection, VendorOrder,
    },
    product::Unit,
};

use super::error::{Doing, Error};

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

/// The groups that carts were converted into.
///
/// # Errors
/// The statement failed.
pub async fn find_groups_of_carts(
    connection: &mut PgConnection,
    cart_ids: &[CartId],
) -> Result<HashMap<CartId, CheckoutGroupId>, Error> {
    let rows = sqlx::query!(
        r#"
        select id as "id: CheckoutGroupId", cart_id as "cart_id: CartId"
        from checkout_groups
        where cart_id = any($1)
        "#,
        cart_ids as &[CartId],
    )
    .fetch_all(connection)
    .await
    .doing("look for the groups of converted carts")?;
    Ok(rows.into_iter().map(|row| (row.cart_id, row.id)).collect())
}

/// A checkout of this buyer with all its orders and lines; another buyer's is `None`.
///
/// Three statements. Call it inside a `repeatable read` transaction where the orders may change.
///
/// # Errors
/// A statement failed.
pub async fn find_checkout(
    connection: &mut PgConnection,
    id: CheckoutGroupId,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<Checkout>, Error> {
    let Some(group) = find_group(&mut *connection, id, buyer_store_id).await? else {
        return Ok(None);
    };
    let mut lines = find_lines(&mut *connection, id).await?;
    let rows = sqlx::query!(
        r#"
        select
            o.id as "id!: OrderId",
            o.vendor_store_id as "vendor_store_id!: VendorStoreId",
            s.name as "vendor_name!",
            o.status as "status!: OrderStatus",
            o.subtotal as "subtotal!: Money",
            o.discount_total as "discount_total!: Money",
            o.total as "total!: Money",
            o.balance_due as "balance_due!: Money",
            o.rejection_reason as "rejection_reason?: OrderRejectionReason",
            p.id as "intent_id?: PaymentIntentId",
            p.method as "intent_method?: PaymentMethod",
            p.status as "intent_status?: PaymentStatus",
            p.amount as "intent_amount?: Money"
        from vendor_orders o
        join stores s on s.id = o.vendor_store_id
        left join payment_intents p on p.order_id = o.id
        where o.checkout_group_id = $1
        order by o.vendor_store_id
        "#,
        id as CheckoutGroupId,
    )
    .fetch_all(connection)
    .await
    .doing("read the orders of a checkout")?;
    let orders = rows
        .into_iter()
        .map(|row| VendorOrder {
            id: row.id,
            vendor_store_id: row.vendor_store_id,
            vendor_name: row.vendor_name,
            status: row.status,
            totals: Totals {
                subtotal: row.subtotal,
                discount_total: row.discount_total,
                total: row.total,
            },
            balance_due: row.balance_due,
            rejection_reason: row.rejection_reason,
            payment_intent: match (
                row.intent_id,
                row.intent_method,
                row.intent_status,
                row.intent_amount,
            ) {
                (Some(id), Some(method), Some(status), Some(amount)) => Some(PaymentIntent {
                    id,
                    method,
                    status,
                    amount,
                }),
                _ => None,
            },
            lines: lines.remove(&row.id).unwrap_or_default(),
        })
        .collect();
    Ok(Some(Checkout { group, orders }))
}

async fn find_group(
    connection: &mut PgConnection,
    id: CheckoutGroupId,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<CheckoutGroup>, Error> {
    let row = sqlx::query!(
        r#"
        select
            cart_id as "cart_id: CartId",
            created_by as "created_by: UserId",
            currency,
            subtotal as "subtotal: Money",
            discount_total as "discount_total: Money",
            total as "total: Money",
            created_at
        from checkout_groups
        where id = $1
            and buyer_store_id = $2
        "#,
        id as CheckoutGroupId,
        buyer_store_id as BuyerStoreId,
    )
    .fetch_optional(connection)
    .await
    .doing("read a checkout group")?;
    Ok(row.map(|row| CheckoutGroup {
        id,
        buyer_store_id,
        cart_id: row.cart_id,
        created_by: row.created_by,
        currency: row.currency,
        totals: Totals {
            subtotal: row.subtotal,
            discount_total: row.discount_total,
            total: row.total,
        },
        created_at: row.created_at,
    }))
}

async fn find_lines(
    connection: &mut PgConnection,
    group_id: CheckoutGroupId,
) -> Result<HashMap<OrderId, Vec<OrderLine>>, Error> {
    // By order, not by group: the index is on order_id.
    let rows = sqlx::query!(
        r#"
        select
            l.order_id as "order_id: OrderId",
            l.id as "id: LineItemId",
            l.position,
            l.product_id as "product_id: ProductId",
            l.sku,
            l.title,
            l.unit as "unit: Unit",
            l.qty,
            l.list_price as "list_price: Money",
            l.unit_price as "unit_price: Money",
            l.discount as "discount: Money",
            l.total as "total: Money",
            l.status as "status: LineStatus",
            l.rejection_reason as "rejection_reason: LineRejectionReason",
            l.rejection_detail as "rejection_detail: Json<RejectionDetail>"
        from vendor_orders o
        join order_line_items l on l.order_id = o.id
        where o.checkout_group_id = $1
        order by l.order_id, l.position
        "#,
        group_id as CheckoutGroupId,
    )
    .fetch_all(connection)
    .await
    .doing("read the lines of a checkout")?;
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        lines.entry(row.order_id).or_default().push(OrderLine {
            id: row.id,
            position: row.position,
            product_id: row.product_id,
            sku: row.sku,
            title: row.title,
            unit: row.unit,
            qty: row.qty,
            list_price: row.list_price,
            unit_price: row.unit_price,
            discount: row.discount,
            total: row.total,
            status: row.status,
            rejection: row.rejection_reason.map(|reason| Rejection {
                reason,
                available_qty: row
                    .rejection_detail
                    .map(|Json(detail)| detail.available_qty),
            }),
        });
    }
    Ok(lines)
}
