//! The security headers of every public answer, unless its handler has set them.

use actix_web::{
    dev::ServiceResponse,
    http::header::{self, HeaderName, HeaderValue},
    web,
};

use super::state::State;

/// For answers that are data: a browser must not run, frame, cache or share them.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // Pages of listed origins ask by CORS, which this does not touch.
    (
        header::CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::CROSS_ORIGIN_OPENER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
];

/// A year, for this host only: other hosts of the domain are not ours to decide about.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the missing headers.
pub fn complete(response: &mut ServiceResponse) {
    let state = response.request().app_data::<web::Data<State>>();
    let secure = state.is_some_and(|state| state.is_under_tls);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if secure && !headers.contains_key(header::STRICT_TRANSPORT_SECURITY) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
}
