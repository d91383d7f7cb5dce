//! The cart service: freezes a cart and reads it back (PF-075, PF-076).
//!
//! Owns the transaction of a cart; the rules are in `domain::rules`, the SQL in `db::carts`.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    db::{self, carts::NewCart},
    domain::{
        caller::Caller,
        cart::{CartRecord, CartRequest},
        ids::{BuyerStoreId, CartId, CartItemId, CartVendorDiscountId, StoreId, VendorStoreId},
        rules,
        violation::Violation,
    },
};

/// A cart with the names of its vendors.
#[derive(Clone, Debug)]
pub struct NamedCart {
    /// The cart.
    pub cart: CartRecord,
    /// By vendor.
    pub vendor_names: HashMap<VendorStoreId, String>,
}

/// Why a cart was not frozen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It breaks rules; nothing was changed.
    #[error("the cart breaks {} rules", .0.len())]
    Invalid(Vec<Violation>),
    /// The database failed; nothing was changed, unless the commit's outcome is unknown.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// Checks and prices a cart and makes it the buyer's active one, replacing its lines in one
/// transaction.
///
/// # Errors
/// All violations, or a failed statement.
pub async fn put(
    pool: &PgPool,
    caller: &Caller,
    request: &CartRequest,
) -> Result<NamedCart, Error> {
    let now = now();
    let mut connection = db::pool::acquire(pool).await?;
    let catalog = db::catalog::load_for(&mut connection, request).await?;
    drop(connection);
    let priced =
        rules::check_cart(request, &catalog, &caller.buyer, now).map_err(Error::Invalid)?;
    let new = NewCart {
        id: CartId::new(Uuid::now_v7()),
        buyer_store_id: caller.buyer.id,
        user_id: caller.user_id,
        now,
    };
    let mut transaction = db::pool::begin(pool).await?;
    let head = db::carts::upsert_active(&mut transaction, new, &priced).await?;
    if head.version > 1 {
        db::carts::clear_lines(&mut transaction, head.id).await?;
    }
    let items: Vec<_> = priced
        .lines
        .into_iter()
        .map(|line| (CartItemId::new(Uuid::now_v7()), line))
        .collect();
    db::carts::insert_lines(&mut transaction, head.id, &items, now).await?;
    if !priced.discounts.is_empty() {
        let discounts: Vec<_> = priced
            .discounts
            .iter()
            .map(|granted| (CartVendorDiscountId::new(Uuid::now_v7()), granted))
            .collect();
        db::carts::insert_discounts(&mut transaction, head.id, &discounts, now).await?;
    }
    db::pool::commit(transaction).await?;
    let vendor_names = catalog
        .vendors
        .into_iter()
        .map(|(vendor, store)| (vendor, store.name))
        .collect();
    let cart = CartRecord {
        head,
        items,
        discounts: priced.discounts,
    };
    Ok(NamedCart { cart, vendor_names })
}

/// The buyer's active cart, read from one snapshot.
///
/// # Errors
/// A failed statement.
pub async fn get_active(
    pool: &PgPool,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<NamedCart>, db::Error> {
    let mut transaction = db::pool::begin_snapshot(pool).await?;
    let Some(head) = db::carts::find_active(&mut transaction, buyer_store_id).await? else {
        return Ok(None);
    };
    let mut snapshots = db::carts::load_snapshots(&mut transaction, &[head.id]).await?;
    let vendor_ids: Vec<StoreId> = snapshots.vendor_ids();
    let vendor_names = db::stores::find_names(&mut transaction, &vendor_ids).await?;
    db::pool::commit(transaction).await?;
    let vendor_names = vendor_names
        .into_iter()
        .map(|(id, name)| (VendorStoreId::new(id.uuid()), name))
        .collect();
    Ok(Some(NamedCart {
        cart: snapshots.take(head),
        vendor_names,
    }))
}

/// PostgreSQL keeps microseconds; an answer must show the same time when it is read back.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
