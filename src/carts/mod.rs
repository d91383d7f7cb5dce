//! The cart service: freezes carts and reads them back (PF-075, PF-076).
//!
//! The rules are in `domain::rules`, the SQL in `db::carts`. Carts are frozen in batches, as checkouts
//! are carried out: see [`batch`].

pub mod batch;
mod freeze;
pub mod start;

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    db,
    domain::{
        caller::Forbidden,
        cart::{CartRecord, CartRequest},
        ids::{BuyerStoreId, StoreId, UserId, VendorStoreId},
        violation::Violation,
    },
};

pub use freeze::freeze;

/// A cart that is to be frozen.
#[derive(Clone, Debug)]
pub struct FreezeCart {
    /// The person who sends it, by the token.
    pub user_id: UserId,
    /// The store it is for, by the token: the gate has yet to say whether it may buy.
    pub store_id: StoreId,
    /// What was sent.
    pub request: CartRequest,
}

/// What became of it.
pub type Decision = Result<NamedCart, Refusal>;

/// Why a cart was not frozen; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The caller may not change this store's cart.
    Forbidden(Forbidden),
    /// It breaks rules: all of them.
    Invalid(Vec<Violation>),
}

/// A cart with the names of its vendors.
#[derive(Clone, Debug)]
pub struct NamedCart {
    /// The cart.
    pub cart: CartRecord,
    /// By vendor.
    pub vendor_names: HashMap<VendorStoreId, String>,
}

/// The buyer's active cart.
///
/// # Errors
/// A failed statement.
pub async fn get_active(
    connection: &mut PgConnection,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<NamedCart>, db::Error> {
    let found = db::carts::find_active(connection, buyer_store_id).await?;
    Ok(found.map(|(cart, vendor_names)| NamedCart { cart, vendor_names }))
}
