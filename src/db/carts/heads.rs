//! Finds and locks the heads of carts by id, and marks them as converted.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    cart::{CartHead, CartStatus, Totals},
    checkout::AskedCart,
    ids::{BuyerStoreId, CartId, StoreId, UserId},
    money::Money,
};

use super::super::{
    column,
    error::{Doing, Error},
};

/// The statement that reads heads, with a variable ending.
macro_rules! select_heads {
    ($ending:tt, $carts:expr) => {
        sqlx::query_as!(
            HeadRow,
            r#"
            select
                c.id as "id: CartId",
                c.buyer_store_id as "buyer_store_id: BuyerStoreId",
                c.created_by as "created_by: UserId",
                c.status as "status: CartStatus",
                c.currency,
                c.subtotal as "subtotal: Money",
                c.discount_total as "discount_total: Money",
                c.total as "total: Money",
                c.shipping_address,
                c.version,
                c.created_at,
                c.updated_at
            from unnest($1::uuid[], $2::uuid[]) as asked (id, store_id)
            join cart_records c on c.id = asked.id and c.buyer_store_id = asked.store_id
            "#
                + $ending,
            &column($carts, |cart: &AskedCart| cart.id) as &[CartId],
            &column($carts, |cart: &AskedCart| cart.store_id) as &[StoreId],
        )
    };
}

/// Finds carts without locking them. Carts of another store than the one that asks are left out.
pub async fn find(
    connection: &mut PgConnection,
    carts: &[AskedCart],
) -> Result<HashMap<AskedCart, CartHead>, Error> {
    let rows = select_heads!("", carts).fetch_all(connection).await;
    Ok(by_asked(rows.doing("find carts")?))
}

/// Locks carts in ascending id until the transaction ends.
///
/// Carts of another store than the one that asks are left out, so that no other store's cart is locked.
/// So are carts that another transaction holds: waiting for one would keep the whole batch waiting.
/// `db::held::find_held_carts` distinguishes the two.
///
/// Data that depends on the carts must be read by later statements: only those see the commit of a
/// lock's previous holder.
pub async fn lock(
    connection: &mut PgConnection,
    carts: &[AskedCart],
) -> Result<HashMap<AskedCart, CartHead>, Error> {
    let rows = select_heads!("order by c.id for update of c skip locked", carts)
        .fetch_all(connection)
        .await;
    Ok(by_asked(rows.doing("lock carts")?))
}

fn by_asked(rows: Vec<HeadRow>) -> HashMap<AskedCart, CartHead> {
    let heads = rows.into_iter().map(|row| {
        let asked = AskedCart {
            id: row.id,
            store_id: row.buyer_store_id.into(),
        };
        (asked, row.into_head())
    });
    heads.collect()
}

/// Marks active carts as converted. Returns the number of rows changed.
pub async fn convert(
    connection: &mut PgConnection,
    ids: &[CartId],
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update cart_records
        set
            status = 'converted',
            converted_at = $2,
            updated_at = $2
        where id = any($1)
            and status = 'active'
        "#,
        ids as &[CartId],
        now,
    )
    .execute(connection)
    .await
    .doing("mark carts as converted")?;
    Ok(done.rows_affected())
}

struct HeadRow {
    id: CartId,
    buyer_store_id: BuyerStoreId,
    created_by: UserId,
    status: CartStatus,
    currency: String,
    subtotal: Money,
    discount_total: Money,
    total: Money,
    shipping_address: Option<serde_json::Value>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl HeadRow {
    fn into_head(self) -> CartHead {
        CartHead {
            id: self.id,
            buyer_store_id: self.buyer_store_id,
            created_by: self.created_by,
            status: self.status,
            currency: self.currency,
            totals: Totals {
                subtotal: self.subtotal,
                discount_total: self.discount_total,
                total: self.total,
            },
            shipping_address: super::address(self.shipping_address),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
