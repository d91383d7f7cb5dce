//! What things are called in Redis. Names are digests: short, and they show neither keys nor people.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::domain::{idempotency::Scope, ids::StoreId};

use super::{fingerprint::of_scope, incarnation::Name};

/// The names of a scope, under a hash tag of its database and store.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Where its claim or answer stands.
    pub answer: String,
    /// Where the bytes that the store has are counted.
    pub counter: String,
}

impl Keys {
    pub fn of(scope: &Scope, database: &Name) -> Self {
        let tag = format!(
            "splitcart:idempotency:{{{database}:{}}}",
            short(scope.store_id)
        );
        Self {
            answer: format!("{tag}:{}", hex(of_scope(scope).as_bytes())),
            counter: format!("{tag}:kept"),
        }
    }
}

fn short(store_id: StoreId) -> String {
    let digest = Sha256::digest(store_id.uuid().as_bytes());
    hex(&digest[..8])
}

/// In lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string can't fail");
    }
    text
}
