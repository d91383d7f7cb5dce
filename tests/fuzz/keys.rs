//! Idempotency keys.

use actix_web::{http::header::HeaderValue, test::TestRequest};
use splitcart::{domain::idempotency::IdempotencyKey, http::body};

use crate::fuzz_support::{self, fuzz};

fuzz!("keys", &["é", " ", "\t", "\u{7f}", "\0", "~", "!"], check);

/// A key has one to 255 visible ASCII characters, is kept unchanged, and appears once.
fn check(bytes: &[u8]) {
    let is_key =
        (1..=255).contains(&bytes.len()) && bytes.iter().all(|byte| (33..=126).contains(byte));
    let parsed = IdempotencyKey::parse(bytes);
    assert_eq!(
        parsed.as_ref().ok().map(|key| key.as_str().as_bytes()),
        is_key.then_some(bytes)
    );
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        assert!(!is_key);
        return;
    };
    let once = TestRequest::default().append_header(("Idempotency-Key", value.clone()));
    let read = body::idempotency_key(&once.to_http_request());
    assert_eq!(read.ok(), parsed.ok());
    let twice = TestRequest::default()
        .append_header(("Idempotency-Key", value.clone()))
        .append_header(("Idempotency-Key", value));
    assert!(body::idempotency_key(&twice.to_http_request()).is_err());
}
