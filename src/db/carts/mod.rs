//! Carts: the active one of a buyer is replaced, read, locked for a checkout and converted.

mod active;
mod answers;
mod lines;
mod snapshots;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    cart::{CartHead, CartStatus, PricedCart, ShippingAddress, Totals},
    checkout::AskedCart,
    ids::{BuyerStoreId, CartId, StoreId, UserId},
    money::Money,
    precondition::CartTag,
};

use super::{
    column,
    error::{Doing, Error},
};

pub use active::find_active;
pub use answers::{
    AnswerTimes, NewAnswer, PUT_KEY_TAKEN, find_first_answers, sweep_expired_answers,
};
pub use lines::{NewDiscount, NewLine, clear_lines, insert_discounts, insert_lines};
pub use snapshots::{Snapshots, load_snapshots};

/// The identity of a cart that is about to be saved.
#[derive(Clone, Copy, Debug)]
pub struct NewCart {
    /// Used only if the buyer has no active cart yet.
    pub id: CartId,
    /// Whose cart.
    pub buyer_store_id: BuyerStoreId,
    /// Who sent it.
    pub user_id: UserId,
    /// When.
    pub now: DateTime<Utc>,
}

/// Creates the buyers' active carts or takes over those that exist, and returns their heads in the
/// same order. The rows stay locked, so the lines may be replaced. A buyer may be named once.
///
/// The partial unique index makes this safe: a parallel first PUT waits for ours and then takes
/// over its row; a PUT that waited for a checkout finds the cart converted, no longer in the index,
/// and starts a new one.
///
/// # Errors
/// The statement failed.
///
/// # Panics
/// A buyer was named twice.
pub async fn upsert_active(
    connection: &mut PgConnection,
    carts: &[(NewCart, &PricedCart)],
) -> Result<Vec<CartHead>, Error> {
    let rows = sqlx::query!(
        r#"
        -- Checkouts lock carts in ascending id; so must we, whichever buyers they belong to.
        with held as (
            select id
            from cart_records
            where buyer_store_id = any($2)
                and status = 'active'
            order by id
            for update
        )
        insert into cart_records as c (
            id, buyer_store_id, created_by, status, currency, subtotal, discount_total, total,
            shipping_address, version, created_at, updated_at)
        select
            n.id, n.buyer_store_id, n.created_by, 'active', n.currency, n.subtotal,
            n.discount_total, n.total, n.shipping_address, 1, n.now, n.now
        from unnest(
            $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::numeric[], $6::numeric[],
            $7::numeric[], $8::jsonb[], $9::timestamptz[])
            as n (
                id, buyer_store_id, created_by, currency, subtotal, discount_total, total,
                shipping_address, now)
        -- What stands in no relation to any row is done before the first of them.
        where (select count(*) from held) >= 0
        order by n.buyer_store_id
        on conflict (buyer_store_id) where status = 'active' do update
        set
            currency = excluded.currency,
            subtotal = excluded.subtotal,
            discount_total = excluded.discount_total,
            total = excluded.total,
            shipping_address = excluded.shipping_address,
            version = c.version + 1,
            -- Two PUTs may get the row in another order than they took their time.
            updated_at = greatest(c.updated_at, excluded.updated_at)
        returning
            id as "id: CartId", buyer_store_id as "buyer_store_id: BuyerStoreId",
            created_by as "created_by: UserId", version, created_at, updated_at
        "#,
        &column(carts, |(new, _)| new.id) as &[CartId],
        &column(carts, |(new, _)| new.buyer_store_id) as &[BuyerStoreId],
        &column(carts, |(new, _)| new.user_id) as &[UserId],
        &column(carts, |(_, cart)| cart.currency.clone()),
        &column(carts, |(_, cart)| cart.totals.subtotal) as &[Money],
        &column(carts, |(_, cart)| cart.totals.discount_total) as &[Money],
        &column(carts, |(_, cart)| cart.totals.total) as &[Money],
        &column(carts, |(_, cart)| cart.shipping_address.as_ref().map(Json))
            as &[Option<Json<&ShippingAddress>>],
        &column(carts, |(new, _)| new.now),
    )
    .fetch_all(connection)
    .await
    .doing("save carts")?;
    let mut rows: HashMap<_, _> = rows
        .into_iter()
        .map(|row| (row.buyer_store_id, row))
        .collect();
    let heads = carts.iter().map(|(new, cart)| {
        let row = rows
            .remove(&new.buyer_store_id)
            .expect("a buyer is named once, and its row is inserted or updated");
        CartHead {
            id: row.id,
            buyer_store_id: row.buyer_store_id,
            created_by: row.created_by,
            status: CartStatus::Active,
            currency: cart.currency.clone(),
            totals: cart.totals,
            shipping_address: cart.shipping_address.clone(),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    });
    Ok(heads.collect())
}

/// Locks the buyers' active carts, in ascending id as checkouts do, and says which version each is.
///
/// # Errors
/// The statement failed.
pub async fn lock_active(
    connection: &mut PgConnection,
    buyers: &[BuyerStoreId],
) -> Result<Vec<(BuyerStoreId, CartTag)>, Error> {
    let rows = sqlx::query!(
        r#"
        select
            id as "id: CartId",
            buyer_store_id as "buyer_store_id: BuyerStoreId",
            version
        from cart_records
        where buyer_store_id = any($1)
            and status = 'active'
        order by id
        for update
        "#,
        buyers as &[BuyerStoreId],
    )
    .fetch_all(connection)
    .await
    .doing("lock active carts")?;
    let tag = |id, version| CartTag { id, version };
    let carts = rows
        .into_iter()
        .map(|row| (row.buyer_store_id, tag(row.id, row.version)));
    Ok(carts.collect())
}

/// Finds carts, whoever holds them; those that the store which asks does not have are left out.
///
/// # Errors
/// The statement failed.
pub async fn find(
    connection: &mut PgConnection,
    carts: &[AskedCart],
) -> Result<HashMap<AskedCart, CartHead>, Error> {
    let rows = sqlx::query_as!(
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
        "#,
        &column(carts, |cart| cart.id) as &[CartId],
        &column(carts, |cart| cart.store_id) as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("find carts")?;
    Ok(by_asked(rows))
}

/// Locks carts in ascending id until the transaction ends. Those that the store which asks does not have
/// are left out, so that no stranger locks a cart, and so are those that somebody else holds: nobody waits here, because one who does keeps all others of its batch
/// from theirs. [`super::held::find_held_carts`] tells the ones from the others.
///
/// What depends on the carts must be read by later statements: only those see what the last holder of
/// a lock has written.
///
/// # Errors
/// The statement failed.
pub async fn lock(
    connection: &mut PgConnection,
    carts: &[AskedCart],
) -> Result<HashMap<AskedCart, CartHead>, Error> {
    let rows = sqlx::query_as!(
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
        order by c.id
        for update of c skip locked
        "#,
        &column(carts, |cart| cart.id) as &[CartId],
        &column(carts, |cart| cart.store_id) as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("lock carts")?;
    Ok(by_asked(rows))
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

/// Marks active carts as converted; returns how many it changed.
///
/// # Errors
/// The statement failed.
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
            shipping_address: address(self.shipping_address),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// The column takes any JSON; what is no address is shown as none.
fn address(column: Option<serde_json::Value>) -> Option<ShippingAddress> {
    serde_json::from_value(column?).ok()
}
