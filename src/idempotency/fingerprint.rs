//! Fingerprints of requests and digests of scopes, by SHA-256: equal exactly where the inputs are equal.

use sha2::{Digest, Sha256};

use crate::domain::idempotency::{Fingerprint, Scope, ScopeDigest};

/// Takes the fingerprint of a request body in its canonical form.
pub fn of_body(canonical: &str) -> Fingerprint {
    Fingerprint::new(Sha256::digest(canonical.as_bytes()).into())
}

/// Takes the digest of a scope.
pub(crate) fn of_scope(scope: &Scope) -> ScopeDigest {
    let mut digest = Sha256::new();
    digest.update(scope.user_id.uuid().as_bytes());
    digest.update(scope.store_id.uuid().as_bytes());
    // No method, path or key can contain the separator.
    for part in [scope.method, &scope.path, scope.key.as_str()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    ScopeDigest::new(digest.finalize().into())
}
