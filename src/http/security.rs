//! What every public answer tells browsers, unless its handler has said something else.

use actix_web::{
    dev::ServiceResponse,
    http::header::{self, HeaderName, HeaderValue},
    web,
};

use super::state::State;

/// For answers that are data: nothing of them is run, shown in a frame, remembered or passed on.
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

/// A year, for this host only: what else runs beside it is not ours to decide.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what is missing.
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
