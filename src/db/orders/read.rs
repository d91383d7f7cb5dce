//! Reads back what a checkout created.

use std::collections::HashMap;

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

use super::{
    super::error::{Doing, Error},
    RejectionDetail,
};

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
