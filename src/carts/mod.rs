//! The cart service: freezes carts and reads them back (PF-075, PF-076).
//!
//! The rules are in `domain::rules`, the SQL in `db::carts`. Carts are frozen in batches, as checkouts
//! are carried out: see [`batch`].

pub mod batch;
mod freeze;
mod judge;
mod preconditions;
mod quote;
pub mod start;

use std::collections::HashMap;

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::{
    db,
    domain::{
        caller::Forbidden,
        cart::{CartRecord, CartRequest, PriceHold},
        idempotency::{Fingerprint, ScopeDigest, StoredResponse},
        ids::{BuyerStoreId, StoreId, UserId, VendorStoreId},
        precondition::{CartTag, Precondition},
        violation::Violation,
    },
};

pub use freeze::{Tries, freeze};
pub use quote::{NamedQuote, quote};

/// A cart that is to be frozen.
#[derive(Clone, Debug)]
pub struct FreezeCart {
    /// The person who sends it, by the token.
    pub user_id: UserId,
    /// The store it is for, by the token: the gate has yet to say whether it may buy.
    pub store_id: StoreId,
    /// What was sent.
    pub request: CartRequest,
    /// Under which key.
    pub scope: ScopeDigest,
    /// Of what was sent.
    pub fingerprint: Fingerprint,
    /// What the cart that it replaces must be.
    pub precondition: Precondition,
    /// How the answer is written: it is kept in the cart's own transaction.
    pub render: fn(&NamedCart, PriceHold) -> StoredResponse,
}

/// What is promised with a cart.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// How long it can be bought at its prices.
    pub price_hold: PriceHold,
    /// How long its PUT's answer is kept.
    pub keep_answers_for: TimeDelta,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is the active cart now.
    Frozen(StoredResponse),
    /// It had been frozen before, under this key: the first answer.
    Replayed(StoredResponse),
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why a cart was not frozen; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The caller is no member, or has a role that may only look.
    Forbidden(Forbidden),
    /// The key belongs to another request.
    KeyReused,
    /// The store may not buy. This and what follows is judged after the key: the request may be a retry of
    /// one that was answered.
    MayNotBuy(Forbidden),
    /// It breaks rules: all of them.
    Invalid(Vec<Violation>),
    /// The active cart is not what the client expects.
    PreconditionFailed {
        /// What it is; none if there is none.
        current: Option<CartTag>,
    },
}

impl Refusal {
    /// Whether a key that was used before is worth more than this reason.
    const fn comes_after_the_key(&self) -> bool {
        match self {
            Self::Forbidden(_) | Self::KeyReused => false,
            Self::MayNotBuy(_) | Self::Invalid(_) | Self::PreconditionFailed { .. } => true,
        }
    }
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
