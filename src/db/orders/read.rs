//! Reads checkout groups and single orders.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::{
    caller::Perspective,
    cart::Totals,
    ids::{BuyerStoreId, CartId, CheckoutGroupId, OrderId, UserId},
    money::Money,
    order::{Checkout, CheckoutGroup, PlacedOrder},
};

use super::{
    super::error::{Doing, Error},
    load::load,
};

/// Finds the checkout groups that carts were converted into.
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

/// Finds a checkout of this buyer with all its orders and lines: `None` for another buyer's.
///
/// Sends four statements. Where orders may change, call it in a `repeatable read` transaction.
pub async fn find_checkout(
    connection: &mut PgConnection,
    id: CheckoutGroupId,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<Checkout>, Error> {
    let Some(group) = find_group(&mut *connection, id, buyer_store_id).await? else {
        return Ok(None);
    };
    let ids = sqlx::query_scalar!(
        r#"
        select id as "id: OrderId"
        from vendor_orders
        where checkout_group_id = $1
        order by vendor_store_id
        "#,
        id as CheckoutGroupId,
    )
    .fetch_all(&mut *connection)
    .await
    .doing("find the orders of a checkout")?;
    let orders = load(connection, &ids, Perspective::Buyer(buyer_store_id)).await?;
    Ok(Some(Checkout {
        group,
        orders: orders.into_iter().map(|placed| placed.order).collect(),
    }))
}

/// Finds an order of this store: `None` for another store's.
pub async fn find_order(
    connection: &mut PgConnection,
    id: OrderId,
    perspective: Perspective,
) -> Result<Option<PlacedOrder>, Error> {
    let found = load(connection, &[id], perspective).await?;
    Ok(found.into_iter().next())
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
