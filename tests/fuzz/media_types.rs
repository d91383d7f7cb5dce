//! The headers that describe a request's body: `Content-Type` on the first line, `Content-Encoding` on
//! the second.

use actix_web::{
    FromRequest,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
    },
    rt::System,
    test::TestRequest,
    web::Payload,
};
use splitcart::http::{body, json::Node};

use crate::fuzz_support::{self, fuzz};

const WORDS: &[&str] = &[
    ";",
    "=",
    "\"",
    " ",
    "charset",
    "utf-8",
    "UTF8",
    "latin1",
    "utf-16",
    "application/json",
    "text/",
    "gzip",
    "identity",
    "\n",
    ",",
    "boundary=x",
];

fuzz!("media_types", WORDS, check);

/// A body is read, or refused for its media type, by its headers and nothing else.
fn check(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let mut request = TestRequest::default().set_payload("{}");
    for name in [CONTENT_TYPE, CONTENT_ENCODING] {
        if let Some(Ok(value)) = lines.next().map(HeaderValue::from_bytes) {
            request = request.append_header((name, value));
        }
    }
    let (request, mut payload) = request.to_http_parts();
    let read = runtime(async {
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        body::json(&request, payload).await
    });
    let said = request.headers().get(CONTENT_TYPE);
    let said = said.map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    match read {
        Ok(node) => {
            assert_eq!(node, Node::Object(Vec::new()));
            let said = said.expect("a body without a type is none of ours");
            assert!(said.contains("application/json"), "{said}");
            let parameters = said.split(';').skip(1).filter_map(|it| it.split_once('='));
            let mut charsets = parameters.filter(|(name, _)| is(name, "charset"));
            assert!(
                !charsets.any(|(_, value)| is(value, "latin1") || is(value, "utf-16")),
                "{said}"
            );
        }
        Err(error) => {
            assert_eq!(error.code.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert!(
                said.as_deref() != Some("application/json")
                    || request.headers().contains_key(CONTENT_ENCODING)
            );
        }
    }
}

fn is(text: &str, word: &str) -> bool {
    text.trim().trim_matches('"') == word
}

fn runtime<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static SYSTEM: actix_web::rt::SystemRunner = System::new();
    }
    SYSTEM.with(|system| system.block_on(work))
}
