//! Digests as text.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Bytes in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string can't fail");
    }
    text
}

/// The first 8 bytes of SHA-256, for names that collide by chance only.
pub(super) fn short_digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}
