//! Replaces, reads and locks buyers' active carts, and marks them as converted.

mod active;
mod answers;
mod heads;
mod lines;
mod snapshots;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    cart::{CartHead, CartStatus, PricedCart, ShippingAddress},
    ids::{BuyerStoreId, CartId, UserId},
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
pub use heads::{convert, find, lock};
pub use lines::{NewDiscount, NewLine, clear_lines, insert_discounts, insert_lines};
pub use snapshots::{Snapshots, load_snapshots};

/// The identity of a cart that is about to be saved.
#[derive(Clone, Copy, Debug)]
pub struct NewCart {
    /// Used only if the buyer has no active cart yet.
    pub id: CartId,
    /// The buyer that the cart belongs to.
    pub buyer_store_id: BuyerStoreId,
    /// The caller.
    pub user_id: UserId,
    /// The time of the request.
    pub now: DateTime<Utc>,
}

/// Inserts or updates the buyers' active carts, and returns their heads in the same sequence. The rows
/// stay locked, so that the lines can be replaced.
///
/// The partial unique index makes this safe: a concurrent first PUT waits for this one and then updates
/// its row; a PUT that waited for a checkout finds the cart converted, no longer in the index, and
/// inserts a new one.
///
/// # Panics
/// If a buyer is named twice.
pub async fn upsert_active(
    connection: &mut PgConnection,
    carts: &[(NewCart, &PricedCart)],
) -> Result<Vec<CartHead>, Error> {
    let rows = sqlx::query!(
        r#"
        -- In ascending id like the locks of checkouts, whichever buyers the carts belong to.
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
        -- An uncorrelated subquery runs once, before any row is inserted, so the locks are taken first.
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
            -- Two PUTs may lock the row in the opposite sequence of their times.
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

/// Locks the buyers' active carts, in ascending id as checkouts do, and returns their versions.
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

/// Reads an address. The column accepts any JSON; JSON that is not an address counts as none.
fn address(column: Option<serde_json::Value>) -> Option<ShippingAddress> {
    serde_json::from_value(column?).ok()
}
