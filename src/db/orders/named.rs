//! Loads the orders that events name, for those who may see the events.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::{
        audience::{NamedOrder, orders_named},
        event::Envelope,
        ids::{OrderId, StoreId},
    },
};

use super::{load::load_of_any, moves::find_discounts};

/// Finds the orders that [`audience`](crate::domain::audience::audience) needs to know of these events, in
/// three statements; in none if they name no order.
pub async fn find_named<'e>(
    connection: &mut PgConnection,
    events: impl IntoIterator<Item = &'e Envelope>,
) -> Result<HashMap<OrderId, NamedOrder>, Error> {
    let ids: Vec<_> = events.into_iter().flat_map(orders_named).collect();
    find_all(connection, &ids).await
}

/// The same, but only the orders of these vendors. Orders of others cost no more than a look.
pub async fn find_named_of<'e>(
    connection: &mut PgConnection,
    events: impl IntoIterator<Item = &'e Envelope>,
    vendors: &[StoreId],
) -> Result<HashMap<OrderId, NamedOrder>, Error> {
    let ids: Vec<_> = events.into_iter().flat_map(orders_named).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = sqlx::query_scalar!(
        r#"
        select id as "id: OrderId"
        from vendor_orders
        where id = any($1)
            and vendor_store_id = any($2)
        "#,
        &ids as &[OrderId],
        vendors as &[StoreId],
    )
    .fetch_all(&mut *connection)
    .await
    .doing("find the orders of vendors")?;
    find_all(connection, &ids).await
}

async fn find_all(
    connection: &mut PgConnection,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, NamedOrder>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let placed = load_of_any(connection, ids).await?;
    let mut groups: Vec<_> = placed.iter().map(|it| it.checkout_group_id).collect();
    groups.sort_unstable();
    groups.dedup();
    let discounts = find_discounts(connection, &groups).await?;
    let named = placed.into_iter().map(|placed| {
        let key = (placed.checkout_group_id, placed.order.vendor_store_id);
        let discount = discounts.get(&key).copied();
        (placed.order.id, NamedOrder { placed, discount })
    });
    Ok(named.collect())
}
