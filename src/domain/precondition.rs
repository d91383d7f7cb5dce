//! What a client expects of the cart that it is about to replace (RFC 9110, 13.1): two editors of one cart
//! lose nothing unnoticed.

use std::fmt;

use super::ids::CartId;

/// One version of one cart, as clients name it in `ETag`, `If-Match` and `If-None-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CartTag {
    /// The cart.
    pub id: CartId,
    /// Its version.
    pub version: i32,
}

impl fmt::Display for CartTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.version)
    }
}

/// Which versions a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// Any cart at all: `*`.
    Any,
    /// These, without their quotes.
    Listed(Vec<String>),
}

impl Tags {
    /// Whether a cart is among them. No cart is none of them.
    pub fn name(&self, current: Option<CartTag>) -> bool {
        current.is_some_and(|current| match self {
            Self::Any => true,
            Self::Listed(tags) => tags.contains(&current.to_string()),
        })
    }
}

/// What must hold for a cart to be replaced or started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The active cart is one of these.
    pub matches: Option<Tags>,
    /// The active cart is none of these.
    pub matches_none: Option<Tags>,
}

impl Precondition {
    /// Whether there is anything to decide.
    pub const fn is_given(&self) -> bool {
        self.matches.is_some() || self.matches_none.is_some()
    }

    /// Whether the active cart is what the client expects.
    pub fn holds(&self, current: Option<CartTag>) -> bool {
        let is_matched = self.matches.as_ref().is_none_or(|tags| tags.name(current));
        let is_unmatched = self.matches_none.as_ref();
        is_matched && is_unmatched.is_none_or(|tags| !tags.name(current))
    }
}
