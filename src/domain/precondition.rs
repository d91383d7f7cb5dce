//! Preconditions of replacing a cart, `If-Match` and `If-None-Match` (RFC 9110, 13.1): two editors of one
//! cart lose nothing unnoticed.

use std::fmt;

use super::ids::CartId;

/// One version of one cart, as clients name it in `ETag`, `If-Match` and `If-None-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CartTag {
    pub id: CartId,
    pub version: i32,
}

impl fmt::Display for CartTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.version)
    }
}

/// The versions that a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// Any cart at all: `*`.
    Any,
    /// The listed tags, without their quotes.
    Listed(Vec<String>),
}

impl Tags {
    /// True if the current cart is one of the named ones. No cart is none of them.
    pub fn name(&self, current: Option<CartTag>) -> bool {
        current.is_some_and(|current| match self {
            Self::Any => true,
            Self::Listed(tags) => tags.contains(&current.to_string()),
        })
    }
}

/// The condition under which a cart may be replaced or started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The active cart is one of these.
    pub matches: Option<Tags>,
    /// The active cart is none of these.
    pub matches_none: Option<Tags>,
}

impl Precondition {
    /// True if the client has stated a condition.
    pub const fn is_given(&self) -> bool {
        self.matches.is_some() || self.matches_none.is_some()
    }

    /// True if the active cart is what the client expects.
    pub fn holds(&self, current: Option<CartTag>) -> bool {
        let is_matched = self.matches.as_ref().is_none_or(|tags| tags.name(current));
        let is_unmatched = self.matches_none.as_ref();
        is_matched && is_unmatched.is_none_or(|tags| !tags.name(current))
    }
}
