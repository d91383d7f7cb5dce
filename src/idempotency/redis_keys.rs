//! The names of keys in Redis. They are digests: short, and they reveal neither Idempotency-Keys nor
//! people.

use crate::domain::idempotency::Scope;

use super::{
    fingerprint::of_scope,
    hex::{hex, short_digest},
    incarnation::Name,
};

/// The keys of a scope, under one hash tag per database and store.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The key of the scope's claim or answer.
    pub answer: String,
    /// The key that counts the bytes kept for the store.
    pub counter: String,
}

impl Keys {
    pub fn of(scope: &Scope, database: &Name) -> Self {
        let store = short_digest(scope.store_id.uuid().as_bytes());
        let tag = format!("splitcart:idempotency:{{{database}:{store}}}");
        Self {
            answer: format!("{tag}:{}", hex(of_scope(scope).as_bytes())),
            counter: format!("{tag}:kept"),
        }
    }
}
