//! `If-Match`, `If-None-Match` and the `ETag` that they repeat.

use actix_web::{http::header::HeaderValue, test::TestRequest};
use splitcart::{
    domain::{
        ids::CartId,
        precondition::{CartTag, Tags},
    },
    http::precondition,
};
use uuid::Uuid;

use crate::fuzz_support::{self, fuzz};

const WORDS: &[&str] = &[
    "\"", "W/", "w/", ",", "*", " ", "\t", "\\\"", "\"\"", "é", "\u{7f}", ".1\"",
];

fuzz!("preconditions", WORDS, check);

/// Both headers read the same texts. A precondition that was read is the same when it is written and
/// read again, and never matches a version of a cart that it does not name.
fn check(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let matches = matches(&value);
    let none = none_match(&value);
    assert_eq!(matches.is_some(), none.is_some(), "{value:?}");
    let (Some(matches), Some(none)) = (matches, none) else {
        return;
    };
    for tags in [&matches, &none] {
        let Tags::Listed(listed) = tags else {
            continue;
        };
        let is_etagc = |letter: char| letter > ' ' && letter != '"' && letter != '\u{7f}';
        assert!(
            listed.iter().all(|tag| tag.chars().all(is_etagc)),
            "{listed:?}"
        );
        if listed.is_empty() {
            continue;
        }
        let quoted: Vec<_> = listed.iter().map(|tag| format!("\"{tag}\"")).collect();
        let written = HeaderValue::from_str(&quoted.join(", "));
        let written = written.or_else(|_| HeaderValue::from_bytes(quoted.join(", ").as_bytes()));
        assert_eq!(self::matches(&written.unwrap()).as_ref(), Some(tags));
    }
    // A strong tag counts for both headers.
    if let (Tags::Listed(strong), Tags::Listed(all)) = (&matches, &none) {
        assert!(strong.iter().all(|tag| all.contains(tag)));
    }
    let current = CartTag {
        id: CartId::new(Uuid::from_u128(u128::from(bytes.len() as u64))),
        version: bytes.first().map_or(1, |byte| i32::from(*byte)),
    };
    let stands_there = value.as_bytes() == b"*" || matches == Tags::Any || {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.contains(&current.to_string())
    };
    assert!(!matches.name(Some(current)) || stands_there);
    assert!(!matches.name(None));
    let etag = precondition::etag(current);
    assert!(self::matches(&etag).unwrap().name(Some(current)));
}

fn matches(value: &HeaderValue) -> Option<Tags> {
    let request = TestRequest::default().append_header(("If-Match", value.clone()));
    let read = precondition::of_put(&request.to_http_request()).ok()?;
    Some(read.matches.expect("the header is there"))
}

fn none_match(value: &HeaderValue) -> Option<Tags> {
    let request = TestRequest::default().append_header(("If-None-Match", value.clone()));
    let request = request.to_http_request();
    let known = precondition::known(&request).ok().flatten();
    let put = precondition::of_put(&request)
        .ok()
        .and_then(|it| it.matches_none);
    assert_eq!(known, put, "GET and PUT read the same");
    known
}
