//! Locks orders and their groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::domain::{
    cart::Totals,
    ids::{CheckoutGroupId, OrderId, VendorStoreId},
    money::Money,
    pricing::{DiscountKind, DiscountTerms},
};

use crate::db::error::{Doing, Error};

/// The orders to be locked: single ones, and all of some groups.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub orders: Vec<OrderId>,
    pub groups: Vec<CheckoutGroupId>,
}

/// A locked group with its locked orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedGroup {
    pub totals: Totals,
    /// Those among the asked orders.
    pub orders: BTreeSet<OrderId>,
}

/// The outcome of locking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked {
    pub groups: BTreeMap<CheckoutGroupId, LockedGroup>,
    /// Orders that exist but that others hold, or whose group others hold, with their group.
    pub held: BTreeMap<OrderId, CheckoutGroupId>,
}

/// What is done about rows that other transactions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Leave them out.
    Skip,
    /// Wait for them, as long as the pool's setting says.
    Wait,
}

/// A locked order with its group.
struct Row {
    group_id: CheckoutGroupId,
    subtotal: Money,
    discount_total: Money,
    total: Money,
    order_id: OrderId,
}

/// The statement for each way of locking.
macro_rules! lock_rows {
    ($asked:expr, $locking:tt) => {
        sqlx::query_as!(
            Row,
            r#"
            with asked as (
                select unnest($1::uuid[]) as id
                union
                select id from vendor_orders where checkout_group_id = any($2)
            )
            select
                g.id as "group_id: CheckoutGroupId",
                g.subtotal as "subtotal: Money",
                g.discount_total as "discount_total: Money",
                g.total as "total: Money",
                o.id as "order_id: OrderId"
            from vendor_orders o
            join checkout_groups g on g.id = o.checkout_group_id
            where o.id in (select id from asked)
            order by g.id, o.id
            "#
                + $locking,
            &$asked.orders as &[OrderId],
            &$asked.groups as &[CheckoutGroupId],
        )
    };
}

/// Locks the orders that are asked for, each with its group, until the transaction ends. Orders that do not
/// exist are left out. Groups are locked before their orders, so those who wait form no cycle.
pub async fn lock(
    connection: &mut PgConnection,
    asked: &Asked,
    held: Held,
) -> Result<Locked, Error> {
    let rows = match held {
        Held::Skip => {
            let rows = lock_rows!(asked, "for no key update of g, o skip locked");
            rows.fetch_all(&mut *connection).await
        }
        Held::Wait => {
            let rows = lock_rows!(asked, "for no key update of g, o");
            rows.fetch_all(&mut *connection).await
        }
    };
    let rows = rows.doing("lock orders")?;
    let mut locked = Locked::default();
    let mut found = BTreeSet::new();
    for row in rows {
        found.insert(row.order_id);
        let group = locked
            .groups
            .entry(row.group_id)
            .or_insert_with(|| LockedGroup {
                totals: Totals {
                    subtotal: row.subtotal,
                    discount_total: row.discount_total,
                    total: row.total,
                },
                orders: BTreeSet::new(),
            });
        group.orders.insert(row.order_id);
    }
    let is_missing = asked.orders.iter().any(|id| !found.contains(id));
    if is_missing || !asked.groups.is_empty() {
        locked.held = find_existing(connection, asked).await?;
        locked.held.retain(|id, _| !found.contains(id));
    }
    Ok(locked)
}

async fn find_existing(
    connection: &mut PgConnection,
    asked: &Asked,
) -> Result<BTreeMap<OrderId, CheckoutGroupId>, Error> {
    let rows = sqlx::query!(
        r#"
        with asked as (
            select unnest($1::uuid[]) as id
            union
            select id from vendor_orders where checkout_group_id = any($2)
        )
        select o.id as "id: OrderId", o.checkout_group_id as "group_id: CheckoutGroupId"
        from vendor_orders o
        where o.id in (select id from asked)
        "#,
        &asked.orders as &[OrderId],
        &asked.groups as &[CheckoutGroupId],
    )
    .fetch_all(connection)
    .await
    .doing("look for orders that others hold")?;
    Ok(rows.into_iter().map(|row| (row.id, row.group_id)).collect())
}

/// Finds the discounts that vendors have granted to the carts of these groups.
pub async fn find_discounts(
    connection: &mut PgConnection,
    groups: &[CheckoutGroupId],
) -> Result<HashMap<(CheckoutGroupId, VendorStoreId), DiscountTerms>, Error> {
    let rows = sqlx::query!(
        r#"
        select
            g.id as "group_id: CheckoutGroupId",
            d.vendor_store_id as "vendor_store_id: VendorStoreId",
            d.kind as "kind: DiscountKind",
            d.value as "value: Decimal"
        from checkout_groups g
        join cart_vendor_discounts d on d.cart_id = g.cart_id
        where g.id = any($1)
        "#,
        groups as &[CheckoutGroupId],
    )
    .fetch_all(connection)
    .await
    .doing("read the discounts of orders")?;
    let granted = rows.into_iter().map(|row| {
        let terms = DiscountTerms::from_columns(row.kind, row.value);
        ((row.group_id, row.vendor_store_id), terms)
    });
    Ok(granted.collect())
}
