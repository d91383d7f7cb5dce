//! CORS: the answers to browsers about pages of other origins.

use actix_cors::Cors;
use actix_web::{http::header, middleware::Condition};

use crate::config::Origin;

use super::{idempotent::REPLAYED, rate_limit};

/// The time for which a browser may remember these answers, in seconds.
const REMEMBER_S: usize = 3600;

/// Answers browsers for the listed origins; without any it is not there at all. Credentials stay out:
/// a token is sent by the page's own code, never by the browser.
pub fn cors(origins: &[Origin]) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION.as_str(),
            header::CONTENT_TYPE.as_str(),
            header::IF_MATCH.as_str(),
            header::IF_NONE_MATCH.as_str(),
            "idempotency-key",
            "last-event-id",
            "traceparent",
            "x-request-id",
        ])
        .expose_headers([
            "x-request-id",
            header::ETAG.as_str(),
            REPLAYED.as_str(),
            header::LOCATION.as_str(),
            header::RETRY_AFTER.as_str(),
            rate_limit::LEFT.as_str(),
            rate_limit::POLICY.as_str(),
        ])
        .max_age(REMEMBER_S);
    let listed = |cors: Cors, origin: &Origin| cors.allowed_origin(origin.as_str());
    Condition::new(!origins.is_empty(), origins.iter().fold(cors, listed))
}
