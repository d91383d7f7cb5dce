//! SHA-256 over what makes requests and scopes the same.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::domain::idempotency::{Fingerprint, Scope};

/// The fingerprint of a request body in its canonical form.
pub fn of_body(canonical: &str) -> Fingerprint {
    Fingerprint::new(Sha256::digest(canonical.as_bytes()).into())
}

/// The Redis key of a scope: a digest, so that it is short and shows neither keys nor people. Each
/// key is used alone, so a cluster may put it anywhere.
pub fn redis_key(scope: &Scope) -> String {
    let mut digest = Sha256::new();
    digest.update(scope.user_id.uuid().as_bytes());
    digest.update(scope.store_id.uuid().as_bytes());
    // No part of a method, path or key can hold the separator.
    for part in [scope.method, scope.path, scope.key.as_str()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let mut key = "splitcart:idempotency:".to_owned();
    for byte in digest.finalize() {
        write!(key, "{byte:02x}").expect("writing to a string can't fail");
    }
    key
}
