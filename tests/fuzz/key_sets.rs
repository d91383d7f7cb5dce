//! Files of key sets and keys.

use splitcart::http::token::{key::Key, key_set::KeySet};

use crate::fuzz_support::{self, fuzz};

const WORDS: &[&str] = &[
    "\"keys\":[",
    "\"kty\":",
    "\"RSA\"",
    "\"EC\"",
    "\"OKP\"",
    "\"oct\"",
    "\"alg\":\"none\"",
    "\"alg\":\"Ed25519\"",
    "\"use\":\"enc\"",
    "\"key_ops\":[]",
    "\"kid\":\"a\"",
    "\"crv\":\"P-384\"",
    "\"d\":\"\"",
    "\"k\":\"\"",
    "null",
    "{",
    "}",
    "[",
    "]",
    ",",
    "AQAB",
    "\"e\":\"AA\"",
    "-----BEGIN PUBLIC KEY-----",
    "PRIVATE KEY",
    "\n",
];

fuzz!("key_sets", WORDS, check);

/// A file is a set or is refused with a sentence; no private or symmetric key is ever accepted.
fn check(bytes: &[u8]) {
    match KeySet::from_jwks(bytes) {
        Ok(set) => {
            let json: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            let keys = json["keys"].as_array().unwrap();
            assert!(
                keys.iter()
                    .all(|key| key.get("d").is_none() && key.get("k").is_none()),
                "{set:?}"
            );
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
    if let Ok(key) = Key::from_pem(bytes) {
        assert!(
            !String::from_utf8_lossy(bytes).contains("BEGIN PRIVATE KEY"),
            "{key:?}"
        );
        assert!(!key.is_for("HS256") && !key.is_for("none"));
        assert!(!key.has_signed("message", "c2lnbmF0dXJl"));
    }
}
