//! SHA-256 over what makes requests and scopes the same.

use sha2::{Digest, Sha256};

use crate::domain::idempotency::{Fingerprint, Scope, ScopeDigest};

/// The fingerprint of a request body in its canonical form.
pub fn of_body(canonical: &str) -> Fingerprint {
    Fingerprint::new(Sha256::digest(canonical.as_bytes()).into())
}

/// The digest of a scope.
pub fn of_scope(scope: &Scope) -> ScopeDigest {
    let mut digest = Sha256::new();
    digest.update(scope.user_id.uuid().as_bytes());
    digest.update(scope.store_id.uuid().as_bytes());
    // No part of a method, path or key can hold the separator.
    for part in [scope.method, scope.path, scope.key.as_str()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    ScopeDigest::new(digest.finalize().into())
}
