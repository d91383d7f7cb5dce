//! First answers that are stored compressed under the digest of a scope.

use crate::{
    compression::decompress,
    domain::idempotency::{Fingerprint, StoredResponse},
};

/// The only status that these answers are kept with.
const OK: u16 = 200;

/// Restores an answer and the fingerprint of its request. `None` for a row that was written by hand and
/// holds no answer.
pub(super) fn read(fingerprint: Vec<u8>, body: &[u8]) -> Option<(Fingerprint, StoredResponse)> {
    let body = decompress(body)?;
    // No request has an all-zero digest.
    let digest = fingerprint.try_into().unwrap_or_default();
    Some((
        Fingerprint::new(digest),
        StoredResponse { status: OK, body },
    ))
}
