//! The cart service: freezes carts and reads them back (PF-075, PF-076).
//!
//! The rules are in `domain::rules`, the SQL in `db::carts`. Carts are frozen in batches, as checkouts
//! are carried out: see [`batch`].

mod attempts;
pub mod batch;
mod decide;
mod freeze;
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

pub use attempts::EarlierAttempts;
pub use freeze::freeze;
pub use quote::{NamedQuote, quote};

/// A cart that is to be frozen.
#[derive(Clone, Debug)]
pub struct FreezeCart {
    /// The person who sends it, as the token says.
    pub user_id: UserId,
    /// The store that it is for, as the token says. The gate has yet to decide if it may buy.
    pub store_id: StoreId,
    /// The content of the request.
    pub request: CartRequest,
    /// The key, and what it is unique in.
    pub scope: ScopeDigest,
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
    /// The condition on the cart that it replaces.
    pub precondition: Precondition,
    /// Renders the answer: it is stored in the cart's own transaction.
    pub render: fn(&NamedCart, PriceHold) -> StoredResponse,
}

/// The promises that come with a cart.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// The time for which it can be bought at its prices.
    pub price_hold: PriceHold,
    /// The time for which the answer of its PUT is kept.
    pub keep_answers_for: TimeDelta,
}

/// The outcome of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The cart is the active one now.
    Frozen(StoredResponse),
    /// A cart was frozen under this key before: the first answer.
    Replayed(StoredResponse),
    /// Nothing was changed.
    Refused(Refusal),
}

/// The reason why a cart was not frozen; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The caller is no member, or has a role that may only look.
    Forbidden(Forbidden),
    /// The key belongs to another request.
    KeyReused,
    /// The store may not buy. This variant and those below are decided after the key: the request may be a
    /// retry of one that was answered.
    MayNotBuy(Forbidden),
    /// The cart breaks rules; all violations.
    Invalid(Vec<Violation>),
    /// The active cart is not the one that the client expects.
    PreconditionFailed {
        /// The tag of the active cart; none if there is no cart.
        current: Option<CartTag>,
    },
}

impl Refusal {
    /// True if a key that was used before is answered rather than refused for this reason.
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
    pub cart: CartRecord,
    pub vendor_names: HashMap<VendorStoreId, String>,
}

/// The buyer's active cart.
pub async fn get_active(
    connection: &mut PgConnection,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<NamedCart>, db::Error> {
    let found = db::carts::find_active(connection, buyer_store_id).await?;
    Ok(found.map(|(cart, vendor_names)| NamedCart { cart, vendor_names }))
}
