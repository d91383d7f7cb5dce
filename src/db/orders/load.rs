//! Loads orders with their lines and payment intents, in two statements however many there are.

use std::collections::HashMap;

use sqlx::{PgConnection, types::Json};

use crate::domain::{
    caller::Perspective,
    cart::Totals,
    ids::{
        BuyerStoreId, CheckoutGroupId, LineItemId, OrderId, PaymentIntentId, ProductId,
        VendorStoreId,
    },
    money::Money,
    order::{
        LineStatus, OrderLine, OrderStatus, PaymentIntent, PaymentMethod, PaymentStatus,
        PlacedOrder, VendorOrder,
    },
    product::Unit,
    rejection::{LineRejectionReason, OrderRejectionReason},
};

use super::{
    super::error::{Doing, Error},
    detail::{RejectionDetail, rejection},
};

/// Loads orders in the sequence of `ids`. Unknown ids and orders of other stores are left out.
pub(super) async fn load(
    connection: &mut PgConnection,
    ids: &[OrderId],
    owner: Perspective,
) -> Result<Vec<PlacedOrder>, Error> {
    load_scoped(connection, ids, Some(owner)).await
}

/// Loads orders of any store, in the sequence of `ids`. Unknown ids are left out.
pub async fn load_of_any(
    connection: &mut PgConnection,
    ids: &[OrderId],
) -> Result<Vec<PlacedOrder>, Error> {
    load_scoped(connection, ids, None).await
}

async fn load_scoped(
    connection: &mut PgConnection,
    ids: &[OrderId],
    owner: Option<Perspective>,
) -> Result<Vec<PlacedOrder>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (buyer, vendor) = match owner {
        Some(Perspective::Buyer(store)) => (Some(store), None),
        Some(Perspective::Vendor(store)) => (None, Some(store)),
        None => (None, None),
    };
    let rows = sqlx::query!(
        r#"
        select
            o.id as "id!: OrderId",
            o.checkout_group_id as "checkout_group_id!: CheckoutGroupId",
            o.buyer_store_id as "buyer_store_id!: BuyerStoreId",
            b.name as "buyer_name!",
            o.vendor_store_id as "vendor_store_id!: VendorStoreId",
            v.name as "vendor_name!",
            o.status as "status!: OrderStatus",
            o.currency as "currency!",
            o.subtotal as "subtotal!: Money",
            o.discount_total as "discount_total!: Money",
            o.total as "total!: Money",
            o.balance_due as "balance_due!: Money",
            o.rejection_reason as "rejection_reason?: OrderRejectionReason",
            o.created_at as "created_at!",
            o.updated_at as "updated_at!",
            p.id as "intent_id?: PaymentIntentId",
            p.method as "intent_method?: PaymentMethod",
            p.status as "intent_status?: PaymentStatus",
            p.amount as "intent_amount?: Money"
        from vendor_orders o
        join stores b on b.id = o.buyer_store_id
        join stores v on v.id = o.vendor_store_id
        left join payment_intents p on p.order_id = o.id
        where o.id = any($1)
            and (o.buyer_store_id = $2 or o.vendor_store_id = $3 or $4)
        "#,
        ids as &[OrderId],
        buyer as Option<BuyerStoreId>,
        vendor as Option<VendorStoreId>,
        owner.is_none(),
    )
    .fetch_all(&mut *connection)
    .await
    .doing("read orders")?;
    let found: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut lines = find_lines(connection, &found).await?;
    let orders = rows.into_iter().map(|row| {
        let intent = row
            .intent_id
            .zip(row.intent_method)
            .zip(row.intent_status)
            .zip(row.intent_amount);
        let order = VendorOrder {
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
            payment_intent: intent.map(|(((id, method), status), amount)| PaymentIntent {
                id,
                method,
                status,
                amount,
            }),
            lines: lines.remove(&row.id).unwrap_or_default(),
        };
        let placed = PlacedOrder {
            checkout_group_id: row.checkout_group_id,
            buyer_store_id: row.buyer_store_id,
            buyer_name: row.buyer_name,
            currency: row.currency,
            created_at: row.created_at,
            updated_at: row.updated_at,
            order,
        };
        (placed.order.id, placed)
    });
    let mut orders: HashMap<_, _> = orders.collect();
    Ok(ids.iter().filter_map(|id| orders.remove(id)).collect())
}

async fn find_lines(
    connection: &mut PgConnection,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Vec<OrderLine>>, Error> {
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
        from order_line_items l
        where l.order_id = any($1)
        -- The two parts of a partly filled line have the same position.
        order by l.order_id, l.position, l.id
        "#,
        ids as &[OrderId],
    )
    .fetch_all(connection)
    .await
    .doing("read the lines of orders")?;
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
            rejection: row
                .rejection_reason
                .map(|reason| rejection(reason, row.rejection_detail)),
        });
    }
    Ok(lines)
}
