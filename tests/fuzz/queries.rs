//! Query strings of lists.

use actix_web::{ResponseError, body::MessageBody, http::Uri, test::TestRequest};
use splitcart::http::{
    cursor,
    query::{PARAMETERS_MAX, Query},
};

use crate::fuzz_support::{self, fuzz};

const KNOWN: [&str; 4] = ["perspective", "status", "limit", "cursor"];
const WORDS: &[&str] = &[
    "&",
    "=",
    "%",
    "%00",
    "%C3%28",
    "+",
    "perspective=buyer",
    "status=",
    "limit=",
    "cursor=",
    "a&a&a&a&a&",
    "%6cimit=5",
    "?",
    ";",
    "limit=1&limit=2",
];

fuzz!("queries", WORDS, check);

/// An accepted query has known names, each once, with values that were understood, and no error is long.
fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(uri) = format!("/api/v1/orders?{text}").parse::<Uri>() else {
        return;
    };
    let request = TestRequest::with_uri(&uri.to_string()).to_http_request();
    let mut query = Query::of(&request, &KNOWN);
    let perspective = query.one_of("perspective", &[("buyer", 1), ("vendor", 2)]);
    let limit = query.optional("limit", "a number from 1 to 100", |text| {
        text.parse::<u8>()
            .ok()
            .filter(|limit| (1..=100).contains(limit))
    });
    let place = query.optional("cursor", "a cursor", cursor::read);
    match query.finish() {
        Ok(()) => {
            let given: Vec<_> = request
                .query_string()
                .split('&')
                .filter(|it| !it.is_empty())
                .collect();
            let names = || given.iter().filter_map(|it| Some(it.split_once('=')?.0));
            assert!(given.len() <= KNOWN.len(), "{given:?}");
            for name in KNOWN {
                assert!(
                    names().filter(|it| *it == name).count() <= 1,
                    "{name} appears twice"
                );
            }
            let plain = |name: &str| given.iter().any(|it| it.starts_with(&format!("{name}=")));
            assert!(perspective.is_some() || !plain("perspective"));
            assert!(limit.is_some() || !plain("limit"));
            assert!(place.is_some() || !plain("cursor"));
        }
        Err(error) => {
            let body = error.error_response().into_body().try_into_bytes().unwrap();
            // As many problems as a query may have parameters, and half a kilobyte for each name.
            assert!(
                body.len() <= PARAMETERS_MAX * 1_024,
                "an error of {} bytes",
                body.len()
            );
        }
    }
}
